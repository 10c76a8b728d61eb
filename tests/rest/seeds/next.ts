import { NextResponse } from "next/server";
import { krafterFetch } from "@/lib/krafterMail";

export async function POST(request: Request) {
  const { email, name } = await request.json();
  const { data } = await krafterFetch("/emails", {
    method: "POST",
    idempotencyKey: `welcome-${email}`,
    body: JSON.stringify({
      from: "welcome@yourdomain.com",
      to: email,
      subject: `Welcome, ${name}`,
      html: `<h1>Welcome, ${name}</h1>`,
      stream: "transactional",
    }),
  });
  return NextResponse.json({ emailId: data.id });
}
