CREATE FUNCTION public.events_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;
CREATE TABLE public.events (
    pipeline character varying(64) NOT NULL,
    seq integer NOT NULL,
    kind character varying(32) NOT NULL,
    key character varying(256) NOT NULL,
    at_utc character varying(40) NOT NULL,
    actor character varying(256) NOT NULL,
    payload text NOT NULL,
    prev_hash character varying(64) NOT NULL,
    hash character varying(64) NOT NULL
);
INSERT INTO public.events VALUES ('flights', 1, 'judged', 'a', '2026-11-21T17:30:38.186430+00:00', 'tester', '{"key":"a"}', '0000000000000000000000000000000000000000000000000000000000000000', '1124c61e1b8d89f0f5c8636ef26766febc4715a5eacd94be824e988c8d539f0c');
INSERT INTO public.events VALUES ('taxis', 1, 'judged', 'b', '2026-11-21T17:30:38.200517+00:00', 'tester', '{"key":"b"}', '0000000000000000000000000000000000000000000000000000000000000000', '082ee4bb6f76f667d170f0e9b4126dba302f775489503d77dafcba6c41211af2');
INSERT INTO public.events VALUES ('flights', 2, 'judged', 'ключ', '2026-11-21T17:30:38.229920+00:00', 'Jürgen', '{"none":null,"number":0.1,"text":"Zürich ✈ ''quoted''; --"}', '1124c61e1b8d89f0f5c8636ef26766febc4715a5eacd94be824e988c8d539f0c', 'c90fa6601ce0a862394ab1c02226da9d2ff1400b9a0072102fd3a31574861a4d');
INSERT INTO public.events VALUES ('flights', 3, 'promoted', 'run-1/None', '2026-11-21T17:30:38.266470+00:00', 'tester', '{"cutoff":"2013-03-04","evidence":{},"expected_champion_seq":null,"model":{"files":[],"model_digest":"0.7:run-1","model_uri":"runs:/r/model","trusted_types":[]},"pipeline":"flights","prediction_digest":"digest","reason":"","run_key":"run-1","version":"1"}', 'c90fa6601ce0a862394ab1c02226da9d2ff1400b9a0072102fd3a31574861a4d', 'ef0846506bc7d280adba8608e305e39b1d1e7750e2f9778cffb7259577e8662f');
INSERT INTO public.events VALUES ('flights', 4, 'frozen', 'f1', '2026-11-21T17:30:38.292135+00:00', 'tester', '{"reason":"audit"}', 'ef0846506bc7d280adba8608e305e39b1d1e7750e2f9778cffb7259577e8662f', '27de7eff1a192f9b7980ada18a08257bb9d6e90152c1f3d1b369b2e035f21fe8');
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_once UNIQUE (pipeline, kind, key);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (pipeline, seq);
CREATE TRIGGER events_no_change BEFORE DELETE OR UPDATE ON public.events FOR EACH ROW EXECUTE FUNCTION public.events_refuse();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON public.events FOR EACH STATEMENT EXECUTE FUNCTION public.events_refuse();
