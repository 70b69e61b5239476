"""Keys at rest, three levels as the law's practice has it: ministry → province → city.

Data keys and documents are sealed with SM4-GCM under the key-encryption key (KEK) of their level, a level's KEK under
the KEK of the level above, and the ministry's KEK under the store's own key, which scrypt makes from a secret.
"""

from sm.keystore.entries import KEY_SIZES, LEVELS, Entry, Kind, Level
from sm.keystore.file_store import HEADER_FILE, FileKeyStore, create_file_store
from sm.keystore.memory_store import MemoryKeyStore
from sm.keystore.protocol import ENVIRONMENTS, Environment, KeyStore
from sm.keystore.references import KeyReference, private_key_for, read_key_reference

__all__ = [
    "ENVIRONMENTS",
    "HEADER_FILE",
    "KEY_SIZES",
    "LEVELS",
    "Entry",
    "Environment",
    "FileKeyStore",
    "KeyReference",
    "KeyStore",
    "Kind",
    "Level",
    "MemoryKeyStore",
    "create_file_store",
    "private_key_for",
    "read_key_reference",
]
