import crypto from "node:crypto";
export function verifyKrafterSignature(rawBody: Buffer, header: string, secret: string) {
// Header format: "sha256=<lowercase-hex>"
const expected = crypto.createHmac("sha256", secret).update(rawBody).digest("hex");
const provided = header.startsWith("sha256=") ? header.slice("sha256=".length) : header;
return crypto.timingSafeEqual(Buffer.from(expected, "hex"), Buffer.from(provided, "hex"));
}
