-- Every look at a drop folder asks for these few among all.
CREATE INDEX dropped_waiting ON dropped (mirror) WHERE outcome = 'waiting';
