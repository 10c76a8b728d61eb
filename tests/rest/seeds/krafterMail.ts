const BASE_URL = "https://app.krafter.dev/api/v1";

export type SendEmailBody = {
  from: string;
  to: string | string[];
  subject: string;
  html?: string;
  text?: string;
  cc?: string[];
  bcc?: string[];
  reply_to?: string;
  tags?: Record<string, string>;
  attachments?: Array<{
    filename: string;
    content_type: string;
    content: string; // base64-encoded
  }>;
  stream?: "transactional" | "broadcast";
  tracking_enabled?: boolean;
  headers?: Record<string, string>;
  scheduled_at?: string; // ISO 8601 UTC
  template_id?: string;
  variables?: Record<string, string>;
};

export async function krafterFetch(
  path: string,
  init: RequestInit & { idempotencyKey?: string } = {},
) {
  const apiKey = process.env.KRAFTER_API_KEY;
  if (!apiKey) throw new Error("KRAFTER_API_KEY is not set");
  const headers = new Headers(init.headers);
  headers.set("Authorization", `Bearer ${apiKey}`);
  headers.set("Content-Type", "application/json");
  if (init.idempotencyKey) headers.set("Idempotency-Key", init.idempotencyKey);
  const res = await fetch(`${BASE_URL}${path}`, { ...init, headers });
  const text = await res.text();
  const body = text ? JSON.parse(text) : null;
  if (!res.ok) {
    throw Object.assign(new Error(body?.error ?? `HTTP ${res.status}`), {
      status: res.status,
      body,
      headers: res.headers,
    });
  }
  return body;
}
