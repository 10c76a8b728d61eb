const { data: email } = await krafterFetch("/emails", {
  method: "POST",
  body: JSON.stringify({
    from: "hello@yourdomain.com",
    to: ["alice@example.com"],
    subject: "Hello from Krafter Mail",
    html: "<h1>Welcome!</h1><p>Your first email.</p>",
    stream: "transactional",
  } satisfies SendEmailBody),
});
console.log(`queued: ${email.id} (${email.status})`);
