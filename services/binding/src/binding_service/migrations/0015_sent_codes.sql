-- Each code that was asked for, as the link in its mail names it: who says "this is not mine" is heard whatever has become
-- of the code since. Kept as long as that link works.
CREATE TABLE sent_codes (
    id             uuid PRIMARY KEY,     -- made of otp's attempt and of the code's end
    contact_sealed text,                 -- where it went; place 'sent_codes:<id>:contact'; none where nobody has noted it
    contact_hash   text,                 -- keyed, for when its owner is forgotten
    draft_id       uuid,                 -- whose e-mail it is to prove; none of a login or an account
    expires_at     timestamptz NOT NULL,
    redeemed_by    uuid,                 -- the request that did it
    disowned       boolean     NOT NULL DEFAULT false
);
CREATE INDEX sent_codes_redeemed ON sent_codes (redeemed_by) WHERE redeemed_by IS NOT NULL;
CREATE INDEX sent_codes_contact ON sent_codes (contact_hash);
CREATE INDEX sent_codes_expires ON sent_codes (expires_at);

-- The code that opened the session; none where a process of the version before did.
ALTER TABLE sessions ADD COLUMN code_id uuid;
