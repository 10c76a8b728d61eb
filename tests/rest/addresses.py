"""What Schemathesis is hooked with: a request with a wrong key comes from an address of its own."""
import secrets

from requests.adapters import HTTPAdapter

send = HTTPAdapter.send


def sent_from_elsewhere(adapter, request, **options):
    """Each operation is asked with a wrong key, too; one address would hear the refusals later and later, up to 8 seconds each."""
    if "kr_live_" not in str(request.headers.get("Authorization")):
        adapter.close()
        # Not by `random`, which Hypothesis begins anew for each test.
        adapter.init_poolmanager(1, 1, source_address=(f"127.{1 + secrets.randbelow(255)}.{secrets.randbelow(256)}.1", 0))
    return send(adapter, request, **options)


HTTPAdapter.send = sent_from_elsewhere
