await krafterFetch(`/emails/${id}/cancel`, { method: "POST" });
