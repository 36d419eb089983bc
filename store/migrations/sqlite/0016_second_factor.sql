-- A seat's second factor at the page's log-in (RFC 6238). The step of the last code that counted counts no more.
ALTER TABLE seats ADD COLUMN totp_secret TEXT;
ALTER TABLE seats ADD COLUMN totp_offered TEXT;
ALTER TABLE seats ADD COLUMN totp_step INTEGER NOT NULL DEFAULT 0;
