-- Every round asks for these few among all.
CREATE INDEX delivery_owed ON delivery (object) WHERE owed_at IS NOT NULL;
