try {
  await krafterFetch("/emails", { method: "POST", body: JSON.stringify(body) });
} catch (err) {
  switch (err.status) {
    case 401:
      // { "error": "Invalid or missing API key" }
      console.error("auth failed");
      break;
    case 403:
    case 422:
      // { "error": "...", "code": "stream_not_allowed" | "forbidden_header" | ... }
      console.error("policy/validation:", err.body?.code, err.body?.error);
      break;
    case 429: {
      // { "error": "Rate limit exceeded", "retry_after": 12 }
      const retryAfter = Number(err.headers.get("retry-after") ?? err.body?.retry_after ?? 1);
      await new Promise((r) => setTimeout(r, retryAfter * 1000));
      break;
    }
    default:
      throw err;
  }
}
