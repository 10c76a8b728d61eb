await krafterFetch("/emails", {
  method: "POST",
  body: JSON.stringify({
    from: "orders@yourdomain.com",
    to: "alice@example.com",
    subject: "ignored when template_id is set",
    template_id: "01J7...your-template-uuid",
    variables: {
      customer_name: "Alice",
      order_id: "ORD-1042",
    },
    stream: "transactional",
  }),
});
