const { data: email } = await krafterFetch("/emails", {
  method: "POST",
  idempotencyKey: `order-${order.id}-confirmation`,
  body: JSON.stringify({
    from: "orders@yourdomain.com",
    to: order.customerEmail,
    subject: `Your order #${order.id}`,
    html: orderHtml(order),
    stream: "transactional",
  }),
});
