const { data: events } = await krafterFetch(`/emails/${id}/events`);
for (const ev of events) console.log(ev.type, ev.occurred_at);
