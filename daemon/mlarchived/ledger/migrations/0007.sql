-- For how long an object was seen to be gone, in ms: clocks are set, and mirrors asked for other things.
ALTER TABLE object ADD COLUMN gone_for INTEGER NOT NULL DEFAULT 0;
-- When the source was looked at last, by the clock and by what the machine has been up for; and what
-- it was asked for.
ALTER TABLE looked ADD COLUMN at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE looked ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE looked ADD COLUMN up INTEGER NOT NULL DEFAULT 0;
ALTER TABLE looked ADD COLUMN asked TEXT NOT NULL DEFAULT '';
