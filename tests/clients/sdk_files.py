"""databricks-sdk: the Files API."""

import hashlib
import io
import os
import tempfile

from databricks.sdk.errors import AlreadyExists, BadRequest, NotFound

from harness import case, equal, raises

#: Larger than the 50 MiB from which the SDK uploads in parts, and no multiple of a part.
LARGE = 53 * 1024 * 1024 + 12_345


def large_bytes():
    """Bytes in which every part differs."""
    return b"".join(hashlib.sha256(n.to_bytes(8, "big")).digest() for n in range(LARGE // 32 + 1))[:LARGE]


@case("sdk")
def a_file_there_and_back(ws):
    """upload, download, get_metadata: bytes, length, type"""
    files, path = ws.sdk().files, ws.volume() + "/bytes.bin"
    content = bytes(range(256)) * 40
    files.upload(path, io.BytesIO(content))
    equal(files.download(path).contents.read(), content)
    found = files.get_metadata(path)
    equal((found.content_length, found.content_type), (len(content), "application/octet-stream"))


@case("sdk")
def an_empty_file(ws):
    """no bytes are a file too"""
    files, path = ws.sdk().files, ws.volume() + "/empty"
    files.upload(path, io.BytesIO(b""))
    equal(files.download(path).contents.read(), b"")
    equal(files.get_metadata(path).content_length, 0)


@case("sdk")
def overwriting_is_asked_for(ws):
    """a second upload is AlreadyExists without overwrite=True, and replaces the file with it"""
    files, path = ws.sdk().files, ws.volume() + "/once"
    files.upload(path, io.BytesIO(b"first"))
    raises(AlreadyExists, lambda: files.upload(path, io.BytesIO(b"second"), overwrite=False))
    equal(files.download(path).contents.read(), b"first")
    files.upload(path, io.BytesIO(b"third"), overwrite=True)
    equal(files.download(path).contents.read(), b"third")


@case("sdk")
def a_file_is_deleted(ws):
    """delete; afterwards download, get_metadata and delete are NotFound"""
    files, path = ws.sdk().files, ws.volume() + "/gone"
    files.upload(path, io.BytesIO(b"x"))
    files.delete(path)
    for action in (files.download, files.get_metadata, files.delete):
        raises(NotFound, lambda: action(path))


@case("sdk")
def directories(ws):
    """create with parents, list, metadata, delete; a directory that holds something stays"""
    files, root = ws.sdk().files, ws.volume()
    files.create_directory(f"{root}/a/b")
    files.create_directory(f"{root}/a/b")
    files.upload(f"{root}/a/file", io.BytesIO(b"12345"))
    files.get_directory_metadata(f"{root}/a/b")
    found = [(entry.name, entry.is_directory, entry.file_size) for entry in files.list_directory_contents(f"{root}/a")]
    equal(sorted(found), [("b", True, None), ("file", False, 5)])
    raises(BadRequest, lambda: files.delete_directory(f"{root}/a"))
    files.delete(f"{root}/a/file")
    files.delete_directory(f"{root}/a/b")
    files.delete_directory(f"{root}/a")
    raises(NotFound, lambda: files.get_directory_metadata(f"{root}/a"))
    raises(NotFound, lambda: list(files.list_directory_contents(f"{root}/a")))


@case("sdk")
def a_directory_in_pages(ws):
    """list_directory_contents follows pages of three"""
    files, root = ws.sdk().files, ws.volume()
    for n in range(10):
        files.upload(f"{root}/f{n}", io.BytesIO(b"x" * n))
    found = [(entry.name, entry.file_size) for entry in files.list_directory_contents(root, page_size=3)]
    equal(found, [(f"f{n}", n) for n in range(10)])


@case("sdk")
def names_with_odd_characters(ws):
    """spaces, percent signs, umlauts, plus and hash in names"""
    files, root = ws.sdk().files, ws.volume()
    names = ["a b", "100%", "%41", "müß", "a+b", "a#b", "a?b", "🦀", "it's"]
    for name in names:
        files.upload(f"{root}/{name}", io.BytesIO(name.encode()))
    equal(sorted(entry.name for entry in files.list_directory_contents(root)), sorted(names))
    for name in names:
        equal(files.download(f"{root}/{name}").contents.read().decode(), name)


@case("sdk")
def a_large_file_in_parts(ws):
    """upload of 53 MiB: the SDK's multipart upload over presigned parts; equal by checksum"""
    files, path, content = ws.sdk().files, ws.volume() + "/large.bin", large_bytes()
    files.upload(path, io.BytesIO(content))
    equal(files.get_metadata(path).content_length, LARGE)
    found = files.download(path).contents.read()
    equal(hashlib.sha256(found).hexdigest(), hashlib.sha256(content).hexdigest())


@case("sdk")
def a_large_file_from_and_to_disk(ws):
    """upload_from and download_to of 53 MiB, in parallel parts"""
    files, path, content = ws.sdk().files, ws.volume() + "/large.bin", large_bytes()
    with tempfile.TemporaryDirectory() as folder:
        there, back = os.path.join(folder, "there"), os.path.join(folder, "back")
        with open(there, "wb") as file:
            file.write(content)
        files.upload_from(path, there, use_parallel=True)
        files.download_to(path, back, use_parallel=True)
        with open(back, "rb") as file:
            equal(hashlib.sha256(file.read()).hexdigest(), hashlib.sha256(content).hexdigest())


@case("sdk")
def a_volume_that_is_not_there(ws):
    """upload, download and list below an unknown volume are NotFound"""
    files = ws.sdk().files
    missing = "/Volumes/main/default/nowhere"
    raises(NotFound, lambda: files.upload(f"{missing}/f", io.BytesIO(b"x")))
    raises(NotFound, lambda: files.download(f"{missing}/f"))
    raises(NotFound, lambda: list(files.list_directory_contents(missing)))
