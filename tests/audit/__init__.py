"""What others know of our dependencies by now: advisories, releases taken back, files exchanged."""
