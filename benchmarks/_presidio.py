"""The peer of benchmarks/redaction.py: runs in an environment of its own, with Presidio and a small spaCy model.

Argument: the name of the spaCy model. Standard input, one JSON object a line: ``{"texts": [...], "batch": 0}`` for one
text at a time, or the number of texts that spaCy takes at once. One line out: ``{"took_s": [...], "cpu_s":
...}``: seconds a text, or of the whole batch run, and seconds of processor time in all.
"""

import json
import logging
import sys
import time

from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine  # type: ignore[import-not-found]
from presidio_analyzer.nlp_engine import NlpEngineProvider  # type: ignore[import-not-found]

NOT_PERSONAL = ("DATE_TIME", "NRP", "URL", "ORGANIZATION")
"""Entity types that Vestibule does not redact, so that the peer has no extra work."""


def main() -> None:
    logging.disable(logging.CRITICAL)  # It logs that it could not fetch the public suffix list.
    configuration = {"nlp_engine_name": "spacy", "models": [{"lang_code": "en", "model_name": sys.argv[1]}]}
    engine = AnalyzerEngine(nlp_engine=NlpEngineProvider(nlp_configuration=configuration).create_engine())
    entities = [e for e in engine.get_supported_entities("en") if e not in NOT_PERSONAL]
    batches = BatchAnalyzerEngine(analyzer_engine=engine)
    for line in sys.stdin:
        request = json.loads(line)
        took_s = []
        before_s = time.process_time()
        began = time.perf_counter()
        if request["batch"]:
            batches.analyze_iterator(request["texts"], "en", batch_size=request["batch"], entities=entities)
            took_s.append(time.perf_counter() - began)
        else:
            for text in request["texts"]:
                engine.analyze(text, language="en", entities=entities)
                took_s.append(time.perf_counter() - began)
                began = time.perf_counter()
        sys.stdout.write(json.dumps({"took_s": took_s, "cpu_s": time.process_time() - before_s}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
