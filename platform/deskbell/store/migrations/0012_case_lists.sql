-- Lists of cases that are over grow for ever, so each way to sort them is an index of theirs. Of the open ones there
-- are few: they are found by their state and sorted then, and their rows cost no more to change than before.
-- brief: one row for each conversation that a person has answered
CREATE INDEX cases_over_priority ON cases (tenant_id, priority DESC, opened_at, id) WHERE status = 'resolved';
-- brief: as above
CREATE INDEX cases_over_opened ON cases (tenant_id, opened_at, id) WHERE status = 'resolved';
-- brief: as above
CREATE INDEX cases_over_changed ON cases (tenant_id, changed_at, id) WHERE status = 'resolved';
