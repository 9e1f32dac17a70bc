BEGIN TRANSACTION;
CREATE TABLE events (
	pipeline VARCHAR(64) NOT NULL, 
	seq INTEGER NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	"key" VARCHAR(256) NOT NULL, 
	at_utc VARCHAR(40) NOT NULL, 
	actor VARCHAR(256) NOT NULL, 
	payload TEXT NOT NULL, 
	prev_hash VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	PRIMARY KEY (pipeline, seq), 
	CONSTRAINT events_once UNIQUE (pipeline, kind, "key")
);
INSERT INTO "events" VALUES('flights',1,'judged','a','2026-11-21T17:30:36.123492+00:00','tester','{"key":"a"}','0000000000000000000000000000000000000000000000000000000000000000','7f9fd06a3a28e62c6f49dd926cde4d02cb462418e3c4d18bcab330931bbdacfe');
INSERT INTO "events" VALUES('taxis',1,'judged','b','2026-11-21T17:30:36.163312+00:00','tester','{"key":"b"}','0000000000000000000000000000000000000000000000000000000000000000','d06c70628354b00e8cb6509d1f42784b5bc3a541d47226bb1feba91e6d8a8156');
INSERT INTO "events" VALUES('flights',2,'judged','ключ','2026-11-21T17:30:36.196164+00:00','Jürgen','{"none":null,"number":0.1,"text":"Zürich ✈ ''quoted''; --"}','7f9fd06a3a28e62c6f49dd926cde4d02cb462418e3c4d18bcab330931bbdacfe','196ce9d2f1a8ce9a606dc946b7344c183a66ed3c0755c0a41b92c7a2532ca8e5');
INSERT INTO "events" VALUES('flights',3,'promoted','run-1/None','2026-11-21T17:30:36.236389+00:00','tester','{"cutoff":"2013-03-04","evidence":{},"expected_champion_seq":null,"model":{"files":[],"model_digest":"0.7:run-1","model_uri":"runs:/r/model","trusted_types":[]},"pipeline":"flights","prediction_digest":"digest","reason":"","run_key":"run-1","version":"1"}','196ce9d2f1a8ce9a606dc946b7344c183a66ed3c0755c0a41b92c7a2532ca8e5','79f3cae42983b15103be4c04cd4a267006642e3710fc45dfe7f34e771c97c013');
INSERT INTO "events" VALUES('flights',4,'frozen','f1','2026-11-21T17:30:36.273919+00:00','tester','{"reason":"audit"}','79f3cae42983b15103be4c04cd4a267006642e3710fc45dfe7f34e771c97c013','b7ecf9f86ae1684341ad606cbe8ff72a6d2e9ad03ef12967108424e14285f66d');
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
           BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
           BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER events_no_replace BEFORE INSERT ON events
           WHEN EXISTS (SELECT 1 FROM events WHERE pipeline = NEW.pipeline
                        AND (seq = NEW.seq OR (kind = NEW.kind AND key = NEW.key)))
           BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
COMMIT;
