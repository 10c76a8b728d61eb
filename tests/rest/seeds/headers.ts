await krafterFetch("/emails", {
  method: "POST",
  body: JSON.stringify({
    from: "billing@yourdomain.com",
    to: "alice@example.com",
    subject: "Invoice #2048",
    html: "<p>Please find your invoice attached.</p>",
    stream: "transactional",
    headers: {
      "X-Entity-Ref-ID": "inv-2048",
    },
  }),
});
