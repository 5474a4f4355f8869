# SPDX-License-Identifier: Apache-2.0
"""boto3 clients of SQS for both protocols, whatever botocore is installed: JSON where its own model has only the query
protocol is that model, rewritten."""
import gzip
import json
import pathlib

import boto3
import botocore
from botocore.config import Config

VERSION = "2012-11-05"
CONFIG = Config(retries={"max_attempts": 0}, read_timeout=60)


def _installed():
    folder = pathlib.Path(botocore.__file__).parent / "data" / "sqs" / VERSION
    plain = folder / "service-2.json"
    return json.loads(plain.read_bytes() if plain.exists() else gzip.open(str(plain) + ".gz").read())


def _as_json(model):
    """JSON has the members' own names, no lists and maps of the form's, and errors by their names alone."""
    model["metadata"].update(protocol="json", jsonVersion="1.0", targetPrefix="AmazonSQS")
    for shape in model["shapes"].values():
        shape.pop("flattened", None)
        shape.pop("error", None)
        shape.pop("locationName", None)
        for part in [*shape.get("members", {}).values(), *(shape[k] for k in ("member", "key", "value") if k in shape)]:
            part.pop("locationName", None)
    for operation in model["operations"].values():
        if "output" in operation:
            operation["output"].pop("resultWrapper", None)
    return model


def client(url, protocol, folder):
    """A client of this protocol; None: the installed botocore does not speak it."""
    session = boto3.session.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1")
    model = _installed()
    if protocol == "query" and model["metadata"]["protocol"] != "query":
        return None
    if protocol == "json" and model["metadata"]["protocol"] == "query":
        place = folder / "models" / "sqs" / VERSION
        place.mkdir(parents=True, exist_ok=True)
        (place / "service-2.json").write_text(json.dumps(_as_json(model)))
        session._session.get_component("data_loader")._search_paths.insert(0, str(folder / "models"))
    return session.client("sqs", endpoint_url=url, config=CONFIG)
