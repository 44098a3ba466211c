"""Files of parameters: beside an upload, and as uploads themselves."""

from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import ClientError

from geoclusters import layout
from geoclusters.aws.objects import NO_OBJECT
from geoclusters.errors import TableError, printable
from geoclusters.parameters import (
    MOST_DOCUMENT_BYTES,
    Document,
    NotParametersError,
    Parameters,
)
from geoclusters.run import Upload
from geoclusters.tables.text import NO_CSV_BUT_JSON

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def read_beside(s3: "S3Client", upload: Upload) -> Document | None:
    """Return the file of parameters beside an upload, if there is one."""
    key = layout.parameters_key(upload.key)
    try:
        body = s3.get_object(Bucket=upload.bucket, Key=key)["Body"]
    except ClientError as error:
        if error.response["Error"]["Code"] in NO_OBJECT:
            return None
        raise
    try:
        return Document(key, body.read(MOST_DOCUMENT_BYTES + 1))
    finally:
        body.close()


def is_one(upload: Upload) -> bool:
    """Return whether an upload would be a file of parameters, not a table."""
    return upload.key.endswith(layout.PARAMETERS_SUFFIX)


def read_upload(upload: Upload, file: BinaryIO, *, default_k: int) -> Parameters:
    """Return the parameters in an upload that is a file of such.

    Raises
    ------
    TableError
        If it is other JSON, such as GeoJSON.
    ParameterError
        If it can't be read, or says what can't be.
    """
    document = Document(upload.key, file.read(MOST_DOCUMENT_BYTES + 1))
    try:
        return Parameters.read({}, document, default_k=default_k)
    except NotParametersError as error:
        raise TableError(NO_CSV_BUT_JSON) from error


def describe(upload: Upload, parameters: Parameters) -> str:
    """Return what to tell the owner of a file of parameters, and what to do next."""
    listed = ", ".join(
        f"{name}={printable(str(value))}" for name, value in parameters.given.items()
    )
    path = printable(upload.key.removesuffix(layout.PARAMETERS_SUFFIX))
    name = path.rsplit("/", 1)[-1]
    return (
        f"These are parameters ({listed or 'none, so far'}) for uploads called "
        f"{path}.csv, {name}.csv.gz, {name}.zip or the like. Upload the table after "
        "this file, or again."
    )
