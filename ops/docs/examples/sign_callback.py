"""Sends a signed callback. Python 3.8 or newer, nothing to install.

    USM_KEY='{"key_id": …}' python3 sign_callback.py URL < body.json

USM_KEY is what `python -m ops.sign_callback key --tenant TENANT` shows.
"""

import hashlib
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

key = json.loads(os.environ["USM_KEY"])
url = urllib.parse.urlsplit(sys.argv[1])
body = sys.stdin.buffer.read()

timestamp, request_id = str(int(time.time())), str(uuid.uuid4())
query = "&".join(sorted(url.query.split("&")))
target = f"{url.path}?{query}" if query else url.path
tenant = key["key_id"].rpartition(".")[0]
signed = "\n".join(["v1", "POST", target, timestamp, request_id, tenant, hashlib.sha256(body).hexdigest()])
signature = hmac.new(bytes.fromhex(key["secret"]), signed.encode(), hashlib.sha256).hexdigest()

request = urllib.request.Request(
    url.geturl(),
    body,
    {
        "Content-Type": "application/json",
        "X-Miniapp-Signature": f"v1={signature}",
        "X-Timestamp": timestamp,
        "X-Request-Id": request_id,
        "X-Key-Id": key["key_id"],
    },
)
try:
    with urllib.request.urlopen(request, timeout=30) as answer:
        print(answer.read().decode())
except urllib.error.HTTPError as refusal:
    print(refusal.read().decode())
    sys.exit(1)
