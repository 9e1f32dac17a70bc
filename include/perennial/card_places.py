"""Where cards are kept in the object store: beside the partition's other documents, and served like them."""

from include.perennial.contracts import Contract


class CardKeys(Contract):
    """Object keys of a card in its two forms."""

    markdown: str
    html: str

    @classmethod
    def model(cls, pipeline: str, as_of: str, version: str) -> "CardKeys":
        """The card of a registered version that was trained as of the partition ``as_of``."""
        return cls._of(f"docs/{pipeline}/{as_of}/model-card-v{version}")

    @classmethod
    def data(cls, pipeline: str, key: str, sha256: str) -> "CardKeys":
        """The card of the version of partition ``key`` whose file has ``sha256``."""
        return cls._of(f"docs/{pipeline}/{key}/data-card-{sha256[:16]}")

    @classmethod
    def _of(cls, stem: str) -> "CardKeys":
        return cls(markdown=f"{stem}.md", html=f"{stem}.html")


def profile_key(pipeline: str, key: str, sha256: str) -> str:
    """What a partition's columns hold, as JSON: for the cards of later partitions."""
    return f"docs/{pipeline}/{key}/profile-{sha256[:16]}.json"
