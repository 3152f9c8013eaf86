#!/bin/sh
# Sends a signed callback with curl and openssl.
#
#     USM_KEY_ID=… USM_KEY_SECRET=… sign_callback.sh URL < body.json
#
# Both are what `python -m ops.sign_callback key --tenant TENANT` shows. openssl takes its key as an argument, which
# others on the machine can see while it runs: use this to try things out, and one of the other examples in earnest.
set -eu
url=$1
body=$(mktemp)
trap 'rm -f "$body"' EXIT
cat > "$body"

timestamp=$(date +%s)
request_id=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen | tr 'A-F' 'a-f')
target=/${url#*://*/} # without a query
tenant=${USM_KEY_ID%.*}
digest=$(openssl dgst -sha256 -r < "$body" | cut -d ' ' -f 1)
signature=$(
    printf 'v1\nPOST\n%s\n%s\n%s\n%s\n%s' "$target" "$timestamp" "$request_id" "$tenant" "$digest" |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$USM_KEY_SECRET" -r | cut -d ' ' -f 1
)

curl --silent --show-error --fail-with-body --max-time 30 "$url" \
    --header "Content-Type: application/json" \
    --header "X-Miniapp-Signature: v1=$signature" \
    --header "X-Timestamp: $timestamp" \
    --header "X-Request-Id: $request_id" \
    --header "X-Key-Id: $USM_KEY_ID" \
    --data-binary "@$body"
