-- Why a recipient that is open is not attempted, when that is neither its turn nor a retry: what its destination lacks, or who holds it.
ALTER TABLE outbound_recipients ADD COLUMN waits_for TEXT;
