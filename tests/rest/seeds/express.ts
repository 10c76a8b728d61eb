import express from "express";
import { krafterFetch } from "./krafterMail";

const app = express();
app.use(express.json());
app.post("/send-receipt", async (req, res, next) => {
  try {
    const { data } = await krafterFetch("/emails", {
      method: "POST",
      idempotencyKey: `receipt-${req.body.orderId}`,
      body: JSON.stringify({
        from: "receipts@yourdomain.com",
        to: req.body.to,
        subject: `Receipt for order #${req.body.orderId}`,
        html: req.body.html,
        stream: "transactional",
      }),
    });
    res.json({ emailId: data.id, status: data.status });
  } catch (err) {
    next(err);
  }
});
