-- Which application an entry became: the list of a school's entries asks for each.
CREATE INDEX bindings_paper_entry ON bindings (paper_entry_id) WHERE paper_entry_id IS NOT NULL;
