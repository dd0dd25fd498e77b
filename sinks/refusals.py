"""Whose fault a failed insert is: the rows', ClickHouse's, or not clear from one answer."""

from clickhouse_connect.driver.exceptions import DatabaseError, DataError, OperationalError

_LONGEST_MESSAGE = 2_000


class ClickHouseAwayError(Exception):
    """ClickHouse cannot be reached or cannot write now: the same rows are worth another try."""


class RowsRefusedError(Exception):
    """At least one of these rows can never be written as it is."""


class UnclearError(Exception):
    """ClickHouse answered with an error that may be about the rows or about itself."""


# Errors that only values cause: error codes as in ClickHouse's src/Common/ErrorCodes.cpp.
REFUSED_CODES = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        27,  # CANNOT_PARSE_INPUT_ASSERTION_FAILED
        38,  # CANNOT_PARSE_DATE
        41,  # CANNOT_PARSE_DATETIME
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        72,  # CANNOT_PARSE_NUMBER
        117,  # INCORRECT_DATA
        131,  # TOO_LARGE_STRING_SIZE
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        349,  # CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
        395,  # FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
        691,  # UNKNOWN_ELEMENT_OF_ENUM
    }
)

# Errors that tell of the server's state, so that no row may be blamed for them.
AWAY_CODES = frozenset(
    {
        3,  # UNEXPECTED_END_OF_FILE
        16,  # NO_SUCH_COLUMN_IN_TABLE: the schema is older than the sink
        32,  # ATTEMPT_TO_READ_AFTER_EOF
        60,  # UNKNOWN_TABLE
        81,  # UNKNOWN_DATABASE
        159,  # TIMEOUT_EXCEEDED
        192,  # UNKNOWN_USER
        193,  # WRONG_PASSWORD
        194,  # REQUIRED_PASSWORD
        201,  # QUOTA_EXCEEDED
        202,  # TOO_MANY_SIMULTANEOUS_QUERIES
        209,  # SOCKET_TIMEOUT
        210,  # NETWORK_ERROR
        225,  # NO_ZOOKEEPER
        236,  # ABORTED
        241,  # MEMORY_LIMIT_EXCEEDED
        242,  # TABLE_IS_READ_ONLY
        243,  # NOT_ENOUGH_SPACE
        252,  # TOO_MANY_PARTS
        279,  # ALL_CONNECTION_TRIES_FAILED
        285,  # TOO_FEW_LIVE_REPLICAS
        286,  # UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
        319,  # UNKNOWN_STATUS_OF_INSERT
        394,  # QUERY_WAS_CANCELLED
        497,  # ACCESS_DENIED
        516,  # AUTHENTICATION_FAILED
        999,  # KEEPER_EXCEPTION
    }
)


def judged(error: BaseException) -> Exception:
    """One of the three errors above for an error of the client library; others are returned as they are."""
    text = str(error)[:_LONGEST_MESSAGE]
    if isinstance(error, DatabaseError) and error.code is not None:
        if error.code in REFUSED_CODES:
            return RowsRefusedError(text)
        return ClickHouseAwayError(text) if error.code in AWAY_CODES else UnclearError(text)
    # What the client cannot put into the bytes of a column's type never reached ClickHouse.
    if isinstance(error, DataError | ValueError | TypeError | ArithmeticError):
        return RowsRefusedError(f"{type(error).__name__}: {text}")
    if isinstance(error, OperationalError | DatabaseError | OSError):
        return ClickHouseAwayError(text)
    return error if isinstance(error, Exception) else UnclearError(text)
