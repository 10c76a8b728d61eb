const { data: results } = await krafterFetch("/emails/batch", {
  method: "POST",
  body: JSON.stringify({
    emails: [
      { from: "hello@yourdomain.com", to: "alice@example.com", subject: "Hi Alice", html: "<p>...</p>", stream: "transactional" },
      { from: "hello@yourdomain.com", to: "bob@example.com", subject: "Hi Bob", html: "<p>...</p>", stream: "transactional" },
    ],
  }),
});
for (const item of results) {
  if (item.status === 201) {
    console.log(`queued: ${item.data.id}`);
  } else {
    console.warn(`failed:`, item.errors);
  }
}
