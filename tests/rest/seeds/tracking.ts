// Opt this single transactional send into open/click tracking
await krafterFetch("/emails", {
  method: "POST",
  body: JSON.stringify({
    from: "support@yourdomain.com",
    to: "alice@example.com",
    subject: "Did this help?",
    html: feedbackEmail(),
    stream: "transactional",
    tracking_enabled: true,
  }),
});
