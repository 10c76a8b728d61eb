const url = new URL("https://app.krafter.dev/api/v1/emails");
url.searchParams.set("status", "delivered");
url.searchParams.set("per_page", "25");
const { data, meta } = await krafterFetch(url.pathname + url.search);
console.log(`page ${meta.page} of ${Math.ceil(meta.total / meta.per_page)}`);
