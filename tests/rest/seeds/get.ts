const { data: email } = await krafterFetch(`/emails/${id}`);
console.log(email.status, email.delivered_at);
