#!/bin/sh
# Makes the secrets of a production deployment: sh deploy/compose/secrets.sh [FOLDER], by default deploy/secrets.
# What is there stays as it is, so it can be run again; a lost key is lost data, so keep the folder in a safe place too.
set -eu
folder=${1:-$(dirname "$0")/../secrets}
umask 077
mkdir -p "$folder"
# Nobody else enters the folder; in a container its own user, whose number is another, has to read the files.
chmod 700 "$folder"

keep() {  # keep NAME: what stands on standard input, where there is no such file
  if [ ! -s "$folder/$1" ]; then
    cat >"$folder/$1.new"
    chmod 444 "$folder/$1.new"
    mv -f "$folder/$1.new" "$folder/$1"
    echo "made $folder/$1"
  fi
}

for user in postgres rabbitmq otp binding review notify operator otp_rabbitmq binding_rabbitmq review_rabbitmq \
  notify_rabbitmq operator_rabbitmq; do
  od -An -v -N24 -tx1 /dev/urandom | tr -d ' \n' | keep "${user}_password"
done
for key in codes binding_otp otp_notify binding_review review_binding review_notify binding_notify binding_store \
  binding_hash review_store sign_in audit store; do
  { printf k1:; head -c 32 /dev/urandom | base64 | tr -d '\n'; } | keep "key_$key"
done
# Given by others: what goes there is theirs to say. An empty one is refused where production.env names it.
for other in smtp_password smtp_ca smtp2_password smtp2_ca sms_token mitake_password twilio_token oidc_client_secret; do
  if [ ! -e "$folder/$other" ]; then
    : >"$folder/$other"
    chmod 644 "$folder/$other"
    echo "made $folder/$other, empty: write it there if you have it"
  fi
done
