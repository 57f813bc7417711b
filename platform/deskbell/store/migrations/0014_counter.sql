-- brief: one row for each conversation with a visitor; of all columns here only closed_at ever changes, and once
CREATE INDEX rooms_counter ON rooms (tenant_id, closed_at, created_at) WHERE customer IS NOT NULL;
