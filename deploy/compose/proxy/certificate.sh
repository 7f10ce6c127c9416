#!/bin/sh
# In development, makes a certificate that nobody vouches for, once; elsewhere says what is missing.
set -eu
cd /certificates
if [ -s tls.crt ] && [ -s tls.key ]; then exit 0; fi
if [ "${DEVELOPMENT:-}" != on ]; then
  echo "TLS_FOLDER must name a folder with tls.crt, the certificate and those between it and the root, and tls.key" >&2
  exit 1
fi
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -keyout tls.key -out tls.crt \
  -subj "/CN=localhost" -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" 2>/dev/null
