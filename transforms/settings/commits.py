"""Settings of commits: how many finished chunks of a stage share one commit."""

from pydantic import Field

from transforms.settings.frozen import Settings


class CommitSettings(Settings):
    """When a stage that works chunk by chunk commits its finished chunks to the lake.

    Finished chunks wait until one of the two limits is reached. They are also committed when the
    stage ends, with or without an error. A process that is killed loses what waits. The settings
    change no row and no id.
    """

    rows: int = Field(default=65_536, ge=1)
    """Largest number of rows that wait, apart from the last chunk. They are in the memory of the
    run's process: 65,536 responses of 350 tokens are about 100 MB. A commit takes 0.03 to 0.1 s,
    and more the more commits the table has: with the default, 160 million responses are 2,500
    commits; with one commit per chunk they would be 300,000."""
    seconds: float = Field(default=60, ge=0)
    """When a chunk is finished and the last commit is at least this long ago, all waiting chunks
    are committed. So a killed process loses finished chunks of at most this time. With 60, a day
    of sampling is 1,440 commits, which take less than 0.2% of it. 0: each chunk is a commit."""


DEFAULT_COMMITS = CommitSettings()
