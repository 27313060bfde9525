"""Every stable reason of an error, as one table: its word on the wire, its status, what it means.

Clients, the ledger, notices and dead letters carry the word. ``server.rpc.interceptors.errors`` turns the status into
that of gRPC. docs/reference/errors.md is written from it. Words never change; a new one is a line here.
"""

from __future__ import annotations

from models.reason_row import ReasonRow, Status


class Reason(ReasonRow):
    """Why something failed."""

    ACTIVE_CONTENT = "ACTIVE_CONTENT", Status.INVALID_ARGUMENT, "The PDF has scripts, embedded files or actions."
    ADDRESS_INVALID = (
        "ADDRESS_INVALID",
        Status.INVALID_ARGUMENT,
        "The address to listen on is not HOST:PORT, or not one of this machine.",
    )
    ADDRESS_IN_USE = (
        "ADDRESS_IN_USE",
        Status.UNAVAILABLE,
        "Another process listens on the address, or on the port of the metrics or of the Ray dashboard.",
    )
    ALERT_NOT_SENT = "ALERT_NOT_SENT", Status.UNAVAILABLE, "An alert was not taken by its receiver; it is sent again."
    ALERT_REFUSED = "ALERT_REFUSED", Status.INTERNAL, "The receiver of alerts refuses them; the log has its status."
    ALL_CLIENTS_ONLY = (
        "ALL_CLIENTS_ONLY",
        Status.PERMISSION_DENIED,
        "What is asked for rests on the sessions of every client, and the credential belongs to one.",
    )
    ALREADY_RELEASED = (
        "ALREADY_RELEASED",
        Status.FAILED_PRECONDITION,
        "Sealed values are released once, and these were; the message says when.",
        "An answer that was lost is given again to the same caller with the same request_id and fields.",
    )
    ANSWER_INVALID = (
        "ANSWER_INVALID",
        Status.INVALID_ARGUMENT,
        "A value does not fit its field of the flow; the violation says why.",
    )
    API_KEY_NOT_FOUND = "API_KEY_NOT_FOUND", Status.NOT_FOUND, "There is no such API key."
    APPROVER_REPEATED = (
        "APPROVER_REPEATED",
        Status.FAILED_PRECONDITION,
        "The record needs approvals of different credentials, and this one has approved it already.",
        "Have somebody else approve it, with a credential of their own.",
    )
    AUDIO_TOO_FAST = (
        "AUDIO_TOO_FAST",
        Status.RESOURCE_EXHAUSTED,
        "The audio of a stream comes too fast; resume it after RetryInfo, more slowly.",
    )
    AUDIO_TOO_LARGE = "AUDIO_TOO_LARGE", Status.INVALID_ARGUMENT, "The recording has too many bytes."
    AUDIO_TOO_LONG = "AUDIO_TOO_LONG", Status.INVALID_ARGUMENT, "The recording is too long."
    AUDIT_BROKEN = "AUDIT_BROKEN", Status.INTERNAL, "Rows of the audit were changed, removed or cut off."
    AUDIT_KEY_INVALID = (
        "AUDIT_KEY_INVALID",
        Status.INVALID_ARGUMENT,
        "A key of the audit, audit.key or subjects.key, is not 64 hexadecimal digits.",
    )
    AUTH_SETTINGS_INVALID = (
        "AUTH_SETTINGS_INVALID",
        Status.INVALID_ARGUMENT,
        "The settings of authentication contradict each other, or leave out one that is needed.",
    )
    BACKUP_BUSY = (
        "BACKUP_BUSY",
        Status.RESOURCE_EXHAUSTED,
        "An erasure, a change of the spool's key or a backup runs; try again.",
    )
    BACKUP_DAMAGED = (
        "BACKUP_DAMAGED",
        Status.INTERNAL,
        "A file of the backup is missing, or is not as the manifest says.",
    )
    BACKUP_EXISTS = "BACKUP_EXISTS", Status.FAILED_PRECONDITION, "Something is where the backup or its keys would go."
    BACKUP_FAILED = "BACKUP_FAILED", Status.UNAVAILABLE, "The disk refuses to read or write a file of the backup."
    BACKUP_INVALID = (
        "BACKUP_INVALID",
        Status.INVALID_ARGUMENT,
        "The folder is no backup, or the file has no keys of one.",
    )
    BACKUP_KEYS_MISSING = (
        "BACKUP_KEYS_MISSING",
        Status.NOT_FOUND,
        "The state folder lacks a key for the backup.",
    )
    BACKUP_KEYS_WRONG = (
        "BACKUP_KEYS_WRONG",
        Status.INVALID_ARGUMENT,
        "The keys are not those of the backup, or its manifest was changed.",
    )
    BACKUP_NEEDED = (
        "BACKUP_NEEDED",
        Status.FAILED_PRECONDITION,
        "There is no way back from a migration that waits, and no backup was asked for.",
    )
    BACKUP_SPOOL_FULL = (
        "BACKUP_SPOOL_FULL",
        Status.RESOURCE_EXHAUSTED,
        "The spool got nearly full with files that a backup kept from deletion, so the backup ended; run it again.",
    )
    BAD_AUDIO = "BAD_AUDIO", Status.INVALID_ARGUMENT, "Audio inside the server is malformed; a defect of ours."
    BAD_INPUT_STREAM = "BAD_INPUT_STREAM", Status.INVALID_ARGUMENT, "Standard input of an offline command is not UTF-8."
    BAD_JSON = "BAD_JSON", Status.INVALID_ARGUMENT, "A line on standard input of an offline command is no JSON object."
    BAD_MEDIA = "BAD_MEDIA", Status.INVALID_ARGUMENT, "The bytes are no usable audio or picture."
    BAD_RAY_ADDRESS = "BAD_RAY_ADDRESS", Status.INVALID_ARGUMENT, "The address of a Ray cluster is not host:port."
    BREAKER_NOT_FOUND = "BREAKER_NOT_FOUND", Status.NOT_FOUND, "There is no circuit breaker of this name."
    BREAKER_OPEN = (
        "BREAKER_OPEN",
        Status.UNAVAILABLE,
        "A remote LLM, or the speech or vision workers, failed several times, so calls to them are paused.",
    )
    BROKEN_MEDIA = "BROKEN_MEDIA", Status.INVALID_ARGUMENT, "The format is right, the content does not decode."
    CACHE_UNUSABLE = (
        "CACHE_UNUSABLE",
        Status.UNAVAILABLE,
        "A file that is made once in the folder of the weights is missing, and the folder cannot be written to.",
    )
    CALLS_TOO_FAST = (
        "CALLS_TOO_FAST",
        Status.RESOURCE_EXHAUSTED,
        "The caller makes too many calls; RetryInfo says when to try again.",
    )
    CARRY_INVALID = (
        "CARRY_INVALID",
        Status.INVALID_ARGUMENT,
        "The sealed state of a stream was not made by these workers; open another stream.",
    )
    CLIENT_AUDIO_FULL = (
        "CLIENT_AUDIO_FULL",
        Status.RESOURCE_EXHAUSTED,
        "Too much audio of the client's streams is kept; half-close those that are done, also those that broke.",
    )
    CLIENT_ID_PERSONAL = (
        "CLIENT_ID_PERSONAL",
        Status.INVALID_ARGUMENT,
        "The id of a client may name a person; such ids are stored and shown as they are.",
    )
    CLIENT_MISMATCH = (
        "CLIENT_MISMATCH",
        Status.PERMISSION_DENIED,
        "The credential belongs to another client than the one that the request names.",
    )
    CLUSTER_LOST = (
        "CLUSTER_LOST",
        Status.UNAVAILABLE,
        "Ray has ended, and the server starts or joins it again by itself; RetryInfo says when to try again.",
    )
    CLUSTER_LOST_TWICE = (
        "CLUSTER_LOST_TWICE",
        Status.UNAVAILABLE,
        "Ray ended twice during the call, so the call, or another one beside it, may be the cause.",
    )
    CLUSTER_UNAVAILABLE = (
        "CLUSTER_UNAVAILABLE",
        Status.UNAVAILABLE,
        "Ray does not answer, or could not be started or joined.",
    )
    CONFIG_MISSING = "CONFIG_MISSING", Status.INVALID_ARGUMENT, "A conversation does not begin with its configuration."
    CONFIG_REPEATED = "CONFIG_REPEATED", Status.INVALID_ARGUMENT, "The configuration of a conversation came twice."
    CONSOLE_SETTINGS_INVALID = (
        "CONSOLE_SETTINGS_INVALID",
        Status.INVALID_ARGUMENT,
        "The settings of the web console contradict each other, or leave out one that is needed.",
    )
    CONTENT_CHANGED = (
        "CONTENT_CHANGED",
        Status.FAILED_PRECONDITION,
        "The record has changed since its hash was made; show it again before deciding.",
    )
    CORRECTION_REDACTED = (
        "CORRECTION_REDACTED",
        Status.INVALID_ARGUMENT,
        "Redaction hides what a correction changes, or finds something personal in a number or a code; nothing is "
        "recorded.",
        "Write it without what is hidden, leave the value as it is, or reject the field. A flow can list words of its "
        "trade under expect.",
    )
    CREDENTIALS_EXPIRED = "CREDENTIALS_EXPIRED", Status.UNAUTHENTICATED, "The API key or the token has expired."
    CREDENTIALS_INVALID = (
        "CREDENTIALS_INVALID",
        Status.UNAUTHENTICATED,
        "The credential is malformed, unknown, wrongly signed, not valid yet, or not for this server.",
    )
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING", Status.UNAUTHENTICATED, "The call has no credential."
    CREDENTIALS_REVOKED = "CREDENTIALS_REVOKED", Status.UNAUTHENTICATED, "The API key was revoked."
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED", Status.DEADLINE_EXCEEDED, "The time that the caller gave is over."
    DEAD_LETTER_NOT_FOUND = "DEAD_LETTER_NOT_FOUND", Status.NOT_FOUND, "There is no such dead letter."
    DECODERS_BUSY = (
        "DECODERS_BUSY",
        Status.RESOURCE_EXHAUSTED,
        "Other files, perhaps of the same client, take the decoders or the CPUs; try again after RetryInfo.",
    )
    DECODER_UNAVAILABLE = (
        "DECODER_UNAVAILABLE",
        Status.UNAVAILABLE,
        "The processes that decode media do not start, or ended.",
    )
    DECOMPRESSION_BOMB = "DECOMPRESSION_BOMB", Status.INVALID_ARGUMENT, "A small file unpacks to far too much."
    DESCRIPTION_MISSING = (
        "DESCRIPTION_MISSING",
        Status.INVALID_ARGUMENT,
        "The first message of an upload is not its description.",
    )
    DESCRIPTION_REPEATED = "DESCRIPTION_REPEATED", Status.INVALID_ARGUMENT, "The description of an upload came twice."
    EMPTY_FILE = "EMPTY_FILE", Status.INVALID_ARGUMENT, "The picture or the recording has no bytes."
    ENCRYPTED_DOCUMENT = "ENCRYPTED_DOCUMENT", Status.INVALID_ARGUMENT, "The PDF has a password or restricted rights."
    EVENTS_FILE_INVALID = (
        "EVENTS_FILE_INVALID",
        Status.INVALID_ARGUMENT,
        "The file of declared events cannot be read, or does not have the form of one.",
    )
    EVENTS_TOO_LARGE = (
        "EVENTS_TOO_LARGE",
        Status.INVALID_ARGUMENT,
        "The properties of a batch of events are too long together.",
    )
    EVENTS_UNDECLARED = (
        "EVENTS_UNDECLARED",
        Status.INVALID_ARGUMENT,
        "No event of a batch fits what its client has declared, and the server refuses such events.",
    )
    EVENT_DECLARATION_INVALID = (
        "EVENT_DECLARATION_INVALID",
        Status.INVALID_ARGUMENT,
        "A declaration of events has a name twice, an enumeration without values, or too many words.",
    )
    EVENT_WORD_PERSONAL = (
        "EVENT_WORD_PERSONAL",
        Status.INVALID_ARGUMENT,
        "A declared name, key or value may name a person; such words are stored and shown as they are.",
    )
    EXPERIMENTS_INVALID = (
        "EXPERIMENTS_INVALID",
        Status.INVALID_ARGUMENT,
        "The file of experiments has errors; the message names the places.",
    )
    EXPERIMENT_EFFECT_IMPOSSIBLE = (
        "EXPERIMENT_EFFECT_IMPOSSIBLE",
        Status.INVALID_ARGUMENT,
        "The rate of completion can neither rise nor fall by so much.",
        "Ask for a smaller change.",
    )
    EXPERIMENT_NOT_FOUND = "EXPERIMENT_NOT_FOUND", Status.NOT_FOUND, "There is no such experiment for the caller."
    EXPERIMENT_WORD_PERSONAL = (
        "EXPERIMENT_WORD_PERSONAL",
        Status.INVALID_ARGUMENT,
        "A name or an instruction in the file of experiments may name a person; they are stored and sent as they are.",
    )
    EXPORT_FOLDER_UNUSABLE = (
        "EXPORT_FOLDER_UNUSABLE",
        Status.INVALID_ARGUMENT,
        "The folder of an export has other files, days of another server, or cannot be written.",
    )
    EXPORT_RUNNING = "EXPORT_RUNNING", Status.FAILED_PRECONDITION, "Another export writes into the same folder."
    FACT_INVALID = (
        "FACT_INVALID",
        Status.INVALID_ARGUMENT,
        "A fact of a new session is not in its flow, or its value does not fit.",
    )
    FIELD_NOT_APPLICABLE = (
        "FIELD_NOT_APPLICABLE",
        Status.INVALID_ARGUMENT,
        "A correction gives a field that does not apply with the other values of the record.",
        "Leave the field out, or correct the values on which it depends.",
    )
    FIELD_NOT_FOUND = "FIELD_NOT_FOUND", Status.NOT_FOUND, "The flow of the session asks for no field of this name now."
    FIELD_NOT_IN_RECORD = (
        "FIELD_NOT_IN_RECORD",
        Status.INVALID_ARGUMENT,
        "A decision names a field that the record neither has nor misses.",
        "Take the names of the fields from GetReview. A missing field can only be corrected.",
    )
    FILE_UNREADABLE = (
        "FILE_UNREADABLE",
        Status.NOT_FOUND,
        "An offline command was given a folder, or a file that it may not read.",
    )
    FLOW_CHANGED = (
        "FLOW_CHANGED",
        Status.FAILED_PRECONDITION,
        "A flow file changed without a new version, and sessions have that version.",
        "Give the changed file a higher version. Running sessions keep theirs.",
    )
    FLOW_INVALID = (
        "FLOW_INVALID",
        Status.INVALID_ARGUMENT,
        "A flow file has errors; the message names the places.",
    )
    FLOW_NOT_FOUND = "FLOW_NOT_FOUND", Status.NOT_FOUND, "There is no flow with this name and version."
    FOLDER_SHARED = (
        "FOLDER_SHARED",
        Status.INVALID_ARGUMENT,
        "Other users can enter the folder of the data or the state, and the server may not change that.",
    )
    FOLDER_UNNAMED = (
        "FOLDER_UNNAMED",
        Status.INVALID_ARGUMENT,
        "A command was given the data folder or the state folder alone; a ledger and its state folder belong together.",
    )
    FOLDER_UNUSABLE = (
        "FOLDER_UNUSABLE",
        Status.INVALID_ARGUMENT,
        "The folder of the data, the state or the weights cannot be created or written to.",
    )
    FOREIGN_CONTENT = "FOREIGN_CONTENT", Status.INVALID_ARGUMENT, "The file holds an archive, program or script."
    FUNNEL_CONDITION_MISFIT = (
        "FUNNEL_CONDITION_MISFIT",
        Status.INVALID_ARGUMENT,
        "A condition on a feature is of another kind than the feature, such as a bound for a text.",
        "Take the conditions as the evidence of the report has them: conditions.",
    )
    FUNNEL_FEATURE_UNKNOWN = (
        "FUNNEL_FEATURE_UNKNOWN",
        Status.INVALID_ARGUMENT,
        "The analysis of these sessions has no such feature at this position.",
        "Take the conditions and the position as the evidence of the report has them, for the same request.",
    )
    FUNNEL_PERIOD_UNKNOWN = (
        "FUNNEL_PERIOD_UNKNOWN",
        Status.INVALID_ARGUMENT,
        "No day, week or month of the report begins at this time.",
        "Give the day on which it begins, in UTC: a Monday for weeks, the first of a month for months.",
    )
    FUNNEL_POSITION_UNKNOWN = (
        "FUNNEL_POSITION_UNKNOWN",
        Status.INVALID_ARGUMENT,
        "The funnel has no stage or step at this position.",
        "Count positions from 1, in the order of the report.",
    )
    FUNNEL_TOO_MANY_GROUPS = (
        "FUNNEL_TOO_MANY_GROUPS",
        Status.INVALID_ARGUMENT,
        "A report would have more groups than fit in a message.",
        "Ask for longer intervals, a shorter time, or fewer values.",
    )
    HASH_MISMATCH = "HASH_MISMATCH", Status.INVALID_ARGUMENT, "The received bytes do not have the given SHA-256."
    IMAGE_TOO_LARGE = "IMAGE_TOO_LARGE", Status.INVALID_ARGUMENT, "The picture has too many bytes, pixels or scans."
    INSTALLATION_ID_INVALID = (
        "INSTALLATION_ID_INVALID",
        Status.INVALID_ARGUMENT,
        "The file with the id of this installation was changed.",
    )
    INSTALLATION_IN_USE = (
        "INSTALLATION_IN_USE",
        Status.UNAVAILABLE,
        "Another server with the same installation id uses the same Ray cluster.",
    )
    INTERNAL = "INTERNAL", Status.INTERNAL, "A defect of ours; give the correlation id to the operator."
    INVALID_ARGUMENT = (
        "INVALID_ARGUMENT",
        Status.INVALID_ARGUMENT,
        "A field breaks a rule of the proto; BadRequest names the fields.",
    )
    INVALID_CHANNELS = "INVALID_CHANNELS", Status.INVALID_ARGUMENT, "Raw audio must have 1 or 2 channels."
    INVALID_ID = "INVALID_ID", Status.INVALID_ARGUMENT, "An id is no UUID in its usual form."
    INVALID_INPUT = "INVALID_INPUT", Status.INVALID_ARGUMENT, "A value breaks a documented rule."
    INVALID_RECORD = (
        "INVALID_RECORD",
        Status.INVALID_ARGUMENT,
        "A record does not fit the schema, or a corrected value does not fit its field; the hint says what would.",
    )
    INVALID_REQUEST = "INVALID_REQUEST", Status.INVALID_ARGUMENT, "The request itself is wrong."
    INVALID_SAMPLE_RATE = "INVALID_SAMPLE_RATE", Status.INVALID_ARGUMENT, "Raw audio must have 8 to 48 kHz."
    ISSUER_UNAVAILABLE = (
        "ISSUER_UNAVAILABLE",
        Status.UNAVAILABLE,
        "The issuer does not answer, or its keys could not be read yet, so no token can be checked.",
    )
    JOBS_FULL = "JOBS_FULL", Status.RESOURCE_EXHAUSTED, "Too many uploads wait; RetryInfo says when to try again."
    JOB_NOT_FOUND = "JOB_NOT_FOUND", Status.NOT_FOUND, "There is no such job."
    LEASE_LOST = "LEASE_LOST", Status.FAILED_PRECONDITION, "Another process has taken the job over."
    LEDGER_BUSY = "LEDGER_BUSY", Status.RESOURCE_EXHAUSTED, "Too many writes wait; RetryInfo says when to try again."
    LEDGER_CLOSED = "LEDGER_CLOSED", Status.INTERNAL, "The ledger is closed; a defect of ours."
    LEDGER_CONFLICT = "LEDGER_CONFLICT", Status.UNAVAILABLE, "Two writes met; try again."
    LEDGER_CONSTRAINT = "LEDGER_CONSTRAINT", Status.INTERNAL, "A row breaks a rule of the ledger; a defect of ours."
    LEDGER_COPY_DIFFERS = "LEDGER_COPY_DIFFERS", Status.INTERNAL, "A copy of the ledger was not whole; it was not used."
    LEDGER_DRIVER_MISSING = (
        "LEDGER_DRIVER_MISSING",
        Status.INVALID_ARGUMENT,
        "The settings name a database of PostgreSQL, and its driver is not installed.",
    )
    LEDGER_FULL = (
        "LEDGER_FULL",
        Status.RESOURCE_EXHAUSTED,
        "The disk of the ledger is full; nothing that was accepted is lost. RetryInfo says when to try again.",
    )
    LEDGER_INTERRUPTED = "LEDGER_INTERRUPTED", Status.UNAVAILABLE, "A query of the ledger was interrupted."
    LEDGER_IN_POSTGRESQL = (
        "LEDGER_IN_POSTGRESQL",
        Status.FAILED_PRECONDITION,
        "PostgreSQL holds the ledger, and this works on the embedded file alone.",
        "Use the tools of PostgreSQL: docs/operating/postgresql.md.",
    )
    LEDGER_IO = "LEDGER_IO", Status.UNAVAILABLE, "The disk of the ledger refuses, or PostgreSQL does not answer."
    LEDGER_LOCKED = "LEDGER_LOCKED", Status.UNAVAILABLE, "Another process holds the ledger alone."
    LEDGER_MEMORY = "LEDGER_MEMORY", Status.UNAVAILABLE, "The ledger ran out of memory."
    LEDGER_NEWER = "LEDGER_NEWER", Status.INTERNAL, "The ledger was written by a newer release."
    LEDGER_NOT_EMPTY = "LEDGER_NOT_EMPTY", Status.FAILED_PRECONDITION, "The database of PostgreSQL has rows already."
    LEDGER_NOT_FOUND = "LEDGER_NOT_FOUND", Status.NOT_FOUND, "The data folder, or the database, has no ledger."
    LEDGER_NOT_MIRRORED = (
        "LEDGER_NOT_MIRRORED",
        Status.FAILED_PRECONDITION,
        "The server keeps no mirror of PostgreSQL, and this reads one.",
        "Ask a server with VESTIBULE_LEDGER__MIRROR=true.",
    )
    LEDGER_NOT_SHARED = (
        "LEDGER_NOT_SHARED",
        Status.INVALID_ARGUMENT,
        "More than one process is to use the ledger, and it is a file for one server.",
    )
    LEDGER_OLDER = "LEDGER_OLDER", Status.INTERNAL, "The ledger has an older schema, and nothing may be changed now."
    LEDGER_QUERY = "LEDGER_QUERY", Status.INTERNAL, "The ledger did not take a statement; a defect of ours."
    LEDGER_SHARED = (
        "LEDGER_SHARED",
        Status.FAILED_PRECONDITION,
        "Several servers may use the ledger, and this is done while none of them runs.",
    )
    LEDGER_UNSAFE = (
        "LEDGER_UNSAFE",
        Status.UNAVAILABLE,
        "The database of PostgreSQL may lose what it is given; the operator has to change it.",
    )
    LEDGER_URL_INVALID = "LEDGER_URL_INVALID", Status.INVALID_ARGUMENT, "The URL of PostgreSQL cannot be read."
    LOGIN_FAILED = (
        "LOGIN_FAILED",
        Status.UNAUTHENTICATED,
        "A login at the issuer was not completed: it took too long, began in another browser, or was refused.",
    )
    MALWARE_FOUND = (
        "MALWARE_FOUND",
        Status.INVALID_ARGUMENT,
        "The malware scanner found something in the file.",
        "Do not send it again. If it is a photo of yours, take another one.",
    )
    MEDIA_NOT_DECODABLE = "MEDIA_NOT_DECODABLE", Status.INVALID_ARGUMENT, "Decoding failed, or took too much."
    MEDIA_TOO_COMPLEX = "MEDIA_TOO_COMPLEX", Status.INVALID_ARGUMENT, "The file has too many parts."
    MEDIA_TYPE_MISMATCH = (
        "MEDIA_TYPE_MISMATCH",
        Status.INVALID_ARGUMENT,
        "The content is not what was declared, or does not fit the kind of the upload.",
    )
    MESSAGES_TOO_FAST = (
        "MESSAGES_TOO_FAST",
        Status.RESOURCE_EXHAUSTED,
        "Messages with little or no new audio come too fast; resume the stream after RetryInfo, with larger chunks.",
    )
    METADATA_TOO_LARGE = "METADATA_TOO_LARGE", Status.INVALID_ARGUMENT, "The metadata of the call have too many bytes."
    METHOD_CLOSED = "METHOD_CLOSED", Status.PERMISSION_DENIED, "No scope opens this method; a defect of ours."
    METRICS_TOKEN_SHORT = "METRICS_TOKEN_SHORT", Status.INVALID_ARGUMENT, "The token of the metrics is too short."
    NOT_APPROVED = (
        "NOT_APPROVED",
        Status.FAILED_PRECONDITION,
        "Sealed values are released once a person has approved the record of their session.",
    )
    NOT_FOUND = "NOT_FOUND", Status.NOT_FOUND, "There is no such thing."
    NO_CANDIDATE = (
        "NO_CANDIDATE",
        Status.UNAVAILABLE,
        "There is no candidate for the recognition of speech.",
        "`vestibule models shadow speech NAME` makes one.",
    )
    NO_MATERIAL = (
        "NO_MATERIAL",
        Status.FAILED_PRECONDITION,
        "The session has no text and no answer yet from which a record could be built.",
    )
    NO_PICTURE = "NO_PICTURE", Status.FAILED_PRECONDITION, "This upload has no redacted picture."
    NO_RECORDING = (
        "NO_RECORDING",
        Status.FAILED_PRECONDITION,
        "This upload is a recording, and the server has no redacted form of it.",
        "Read its redacted text. VESTIBULE_KEEP_REDACTED_RECORDINGS=true keeps recordings that were proven safe.",
    )
    NO_SPEECH = "NO_SPEECH", Status.INVALID_ARGUMENT, "There is no recognisable speech in the audio."
    NO_SUCH_FILE = "NO_SUCH_FILE", Status.NOT_FOUND, "An offline command was given a file that is not there."
    NO_TIME_LEFT = (
        "NO_TIME_LEFT",
        Status.DEADLINE_EXCEEDED,
        "The time that is left is too short for another attempt, so none was made.",
    )
    OFFSET_GAP = "OFFSET_GAP", Status.OUT_OF_RANGE, "Audio is missing; go on from the offset acknowledged last."
    OPERATION_ID_USED = (
        "OPERATION_ID_USED",
        Status.FAILED_PRECONDITION,
        "The operation id belongs to another operation, or to one with another reason; make a new one.",
    )
    OVERLOADED = "OVERLOADED", Status.RESOURCE_EXHAUSTED, "A queue or quota is full; RetryInfo says when to try again."
    OWN_SESSION = (
        "OWN_SESSION",
        Status.PERMISSION_DENIED,
        "The credential took part in the session, so another one has to approve its record.",
        "Approve with another credential. VESTIBULE_APPROVAL__OWN_SESSIONS changes the rule.",
    )
    PAGE_TOKEN_INVALID = (
        "PAGE_TOKEN_INVALID",
        Status.INVALID_ARGUMENT,
        "The page token is not valid, or is of another list.",
    )
    PAGE_TOO_DENSE = (
        "PAGE_TOO_DENSE",
        Status.INVALID_ARGUMENT,
        "The picture shows more lines of print than one page may have.",
        "Photograph the page in parts.",
    )
    PAGE_TOO_SLOW = (
        "PAGE_TOO_SLOW",
        Status.DEADLINE_EXCEEDED,
        "Reading the page took more CPU than one page may take, so nothing of it is kept, and it is not tried again.",
        "Photograph the page in parts.",
    )
    PCM_INCOMPLETE = "PCM_INCOMPLETE", Status.INVALID_ARGUMENT, "Raw audio needs a sample rate and channels."
    PICTURE_GONE = "PICTURE_GONE", Status.NOT_FOUND, "The redacted picture or recording was removed from the disk."
    PLAINTEXT_REFUSED = "PLAINTEXT_REFUSED", Status.INVALID_ARGUMENT, "Without TLS the server listens on loopback only."
    POLICY_INVALID = (
        "POLICY_INVALID",
        Status.INVALID_ARGUMENT,
        "The file of redaction policies has errors; the message names the places.",
    )
    PROPOSAL_OUTDATED = (
        "PROPOSAL_OUTDATED",
        Status.UNAVAILABLE,
        "More came in each time while a record was being written in the background; it is written again later.",
        "There is nothing to do: the server tries again until the person pauses, or the app asks for a proposal.",
    )
    PROPOSAL_UNCHANGED = (
        "PROPOSAL_UNCHANGED",
        Status.FAILED_PRECONDITION,
        "What was written is a record that a person has sent back, so it is not proposed again.",
        "Say, type or photograph what is wrong or missing, then ask for a proposal again.",
    )
    QUACK_TOKEN_SHORT = "QUACK_TOKEN_SHORT", Status.INTERNAL, "The token of the endpoint for analysts is too short."
    QUACK_UNAVAILABLE = "QUACK_UNAVAILABLE", Status.UNAVAILABLE, "The endpoint for analysts does not start or answer."
    RAY_WITHOUT_TOKEN = (
        "RAY_WITHOUT_TOKEN",
        Status.INVALID_ARGUMENT,
        "Ray's token is turned off, or the Ray cluster to be joined asks for none.",
    )
    RECOMMENDATION_DECIDED = (
        "RECOMMENDATION_DECIDED",
        Status.FAILED_PRECONDITION,
        "Somebody else has taken this decision before.",
        "Fetch the record: it says who decided and when.",
    )
    RECOMMENDATION_EXPIRED = (
        "RECOMMENDATION_EXPIRED",
        Status.FAILED_PRECONDITION,
        "The record was proposed too long ago to be approved.",
        "Have it proposed again in the session, and approve what is then shown.",
    )
    RECOMMENDATION_NOT_FOUND = (
        "RECOMMENDATION_NOT_FOUND",
        Status.NOT_FOUND,
        "There is no such record.",
        "Give the id of the record, which `vestibule reviews list` shows, not that of its session. What was erased is "
        "not found.",
    )
    REDACTION_FAILED = "REDACTION_FAILED", Status.UNAVAILABLE, "Redaction failed; the text is neither stored nor sent."
    REFUSALS_TOO_FAST = (
        "REFUSALS_TOO_FAST",
        Status.RESOURCE_EXHAUSTED,
        "Too many calls of the network address were refused for their credential or its scopes, so this one was not "
        "looked at; RetryInfo says when to try again.",
    )
    REPLY_INTERRUPTED = (
        "REPLY_INTERRUPTED",
        Status.FAILED_PRECONDITION,
        "The person spoke or typed before the reply was over, so it stopped; the next turn has its own reply.",
    )
    REPORT_CHANNEL_UNSET = (
        "REPORT_CHANNEL_UNSET",
        Status.FAILED_PRECONDITION,
        "No setting says where the weekly report goes by this channel.",
    )
    REPORT_NOT_MADE = "REPORT_NOT_MADE", Status.INTERNAL, "The weekly report could not be made; a defect of ours."
    REPORT_NOT_SENT = (
        "REPORT_NOT_SENT",
        Status.UNAVAILABLE,
        "The weekly report was not taken by its receiver; it is sent again.",
    )
    REPORT_REFUSED = "REPORT_REFUSED", Status.INTERNAL, "The receiver of the weekly report refuses it."
    REPORT_TEXTS_INVALID = (
        "REPORT_TEXTS_INVALID",
        Status.INVALID_ARGUMENT,
        "The file of texts of the funnel report has errors; the message names the places.",
    )
    REPORT_WEEK_INVALID = (
        "REPORT_WEEK_INVALID",
        Status.INVALID_ARGUMENT,
        "The week of a report is not of the form 2026-W48, is none, or is not over yet.",
    )
    REQUEST_MISSING = "REQUEST_MISSING", Status.INVALID_ARGUMENT, "A call that takes one message was closed without it."
    REQUEST_STALLED = (
        "REQUEST_STALLED",
        Status.DEADLINE_EXCEEDED,
        "The first message of a call did not arrive in time.",
    )
    REQUEST_UNREADABLE = (
        "REQUEST_UNREADABLE",
        Status.INVALID_ARGUMENT,
        "A message is not of the type that the method takes.",
    )
    RESTORE_NOT_EMPTY = "RESTORE_NOT_EMPTY", Status.FAILED_PRECONDITION, "A folder to restore into holds something."
    RESTORE_UNFINISHED = (
        "RESTORE_UNFINISHED",
        Status.FAILED_PRECONDITION,
        "A restore into the folder was interrupted; it is to be repeated.",
    )
    RESUME_TOKEN_INVALID = (
        "RESUME_TOKEN_INVALID",
        Status.INVALID_ARGUMENT,
        "The resume token does not belong to a stream of this session.",
    )
    RETRY_BUDGET_SPENT = (
        "RETRY_BUDGET_SPENT",
        Status.RESOURCE_EXHAUSTED,
        "Too many attempts were repeated in the last minute, so this one was not made; see RetryInfo.",
    )
    REVIEW_CLAIMED = (
        "REVIEW_CLAIMED",
        Status.FAILED_PRECONDITION,
        "Somebody else has claimed the record; the message says which credential, and until when.",
    )
    SCANNER_BUSY = (
        "SCANNER_BUSY",
        Status.RESOURCE_EXHAUSTED,
        "The malware scanner is busy with other files; try again after RetryInfo.",
    )
    SCANNER_UNREACHABLE = (
        "SCANNER_UNREACHABLE",
        Status.UNAVAILABLE,
        "The malware scanner cannot be reached, and no upload is accepted without it; try again after RetryInfo.",
    )
    SCANNER_UNSAFE = (
        "SCANNER_UNSAFE",
        Status.UNAVAILABLE,
        "The malware scanner did not pass its probes, so its word is worth nothing; the operator has to change it.",
    )
    SCAN_FAILED = (
        "SCAN_FAILED",
        Status.UNAVAILABLE,
        "The malware scanner gave no clear answer about the file, so it is not accepted; try again.",
    )
    SCAN_INCOMPLETE = (
        "SCAN_INCOMPLETE",
        Status.INVALID_ARGUMENT,
        "The malware scanner could not look into all of the file, so it is not accepted.",
        "Send the picture or the recording alone, without archives or other files in it.",
    )
    SCOPE_MISSING = (
        "SCOPE_MISSING",
        Status.PERMISSION_DENIED,
        "The credential is valid, but has none of the scopes that open this method; the message names them.",
    )
    SEALED_KEY_INVALID = (
        "SEALED_KEY_INVALID",
        Status.INVALID_ARGUMENT,
        "A key for sealed values is none: a public one is base64 of 32 bytes, a private one a file of `sealed keygen`.",
    )
    SEALED_KEY_UNKNOWN = (
        "SEALED_KEY_UNKNOWN",
        Status.INVALID_ARGUMENT,
        "A field is to be sealed to a public key that the settings do not have.",
    )
    SEALED_VALUE_INVALID = (
        "SEALED_VALUE_INVALID",
        Status.INVALID_ARGUMENT,
        "A private key does not open a sealed value, or the value was changed.",
    )
    SEALED_VALUE_NOT_FOUND = (
        "SEALED_VALUE_NOT_FOUND",
        Status.NOT_FOUND,
        "The session has no sealed value of a field that was asked for.",
        "List the sealed values of the session; those of a session that ended are deleted with age.",
    )
    SECRETS_UNREADABLE = (
        "SECRETS_UNREADABLE",
        Status.INVALID_ARGUMENT,
        "A file in the folder of VESTIBULE_SECRETS_DIR cannot be read.",
    )
    SECRET_IS_PLACEHOLDER = (
        "SECRET_IS_PLACEHOLDER",
        Status.INVALID_ARGUMENT,
        "A secret is still the placeholder of an example file; give one of your own, or leave it empty.",
    )
    SECRET_ON_COMMAND_LINE = (
        "SECRET_ON_COMMAND_LINE",
        Status.INVALID_ARGUMENT,
        "A secret was given on the command line, where every user of the machine sees it.",
    )
    SESSION_ENDED = "SESSION_ENDED", Status.FAILED_PRECONDITION, "The session has ended; start another one."
    SESSION_ERASED = (
        "SESSION_ERASED",
        Status.FAILED_PRECONDITION,
        "The session was erased while the stream was open; start another one.",
    )
    SESSION_EVENTS_FULL = (
        "SESSION_EVENTS_FULL",
        Status.FAILED_PRECONDITION,
        "The session has stored as many events of its app as one session may; start another one.",
    )
    SESSION_JOBS_FULL = (
        "SESSION_JOBS_FULL",
        Status.RESOURCE_EXHAUSTED,
        "Too many uploads of the session wait, or too many bytes; RetryInfo says when to try again.",
    )
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND", Status.NOT_FOUND, "There is no such session."
    SHUTTING_DOWN = "SHUTTING_DOWN", Status.UNAVAILABLE, "The server is ending; reconnect. What was acknowledged stays."
    SIZE_MISMATCH = "SIZE_MISMATCH", Status.INVALID_ARGUMENT, "More or fewer bytes arrived than were declared."
    SPEECH_BUSY = (
        "SPEECH_BUSY",
        Status.RESOURCE_EXHAUSTED,
        "The speech workers are too busy for another stream; RetryInfo says when to try again.",
    )
    SPOOL_CORRUPT = "SPOOL_CORRUPT", Status.INTERNAL, "A file of the spool was changed or cut."
    SPOOL_FAILED = "SPOOL_FAILED", Status.UNAVAILABLE, "The disk of the spool refuses."
    SPOOL_FULL = "SPOOL_FULL", Status.RESOURCE_EXHAUSTED, "The disk of the spool is full."
    SPOOL_KEY_GIVEN = (
        "SPOOL_KEY_GIVEN",
        Status.FAILED_PRECONDITION,
        "The key of the spool is given by a setting, so the server can make no other.",
    )
    SPOOL_KEY_INVALID = "SPOOL_KEY_INVALID", Status.INVALID_ARGUMENT, "A key of the spool is not base64 of 32 bytes."
    SPOOL_KEY_UNKNOWN = "SPOOL_KEY_UNKNOWN", Status.INTERNAL, "A file of the spool was written with another key."
    SPOOL_MISSING = "SPOOL_MISSING", Status.INTERNAL, "A file of the spool is gone."
    SQL_REFUSED = (
        "SQL_REFUSED",
        Status.INVALID_ARGUMENT,
        "The endpoint for analysts takes one SELECT on the documented views only.",
    )
    STATE_FOLDER_WRONG = "STATE_FOLDER_WRONG", Status.NOT_FOUND, "The state folder is not that of the running server."
    STATE_KEY_NOT_FOUND = "STATE_KEY_NOT_FOUND", Status.NOT_FOUND, "The state folder has no key of the workers."
    STEP_NOT_FOUND = "STEP_NOT_FOUND", Status.NOT_FOUND, "The flow of the session has no step of this name now."
    STEP_NOT_SKIPPABLE = (
        "STEP_NOT_SKIPPABLE",
        Status.FAILED_PRECONDITION,
        "The step has required fields, and the flow does not let anybody skip it.",
    )
    STREAM_IDLE = "STREAM_IDLE", Status.DEADLINE_EXCEEDED, "The client sent nothing for too long; resume the stream."
    STREAM_IN_USE = (
        "STREAM_IN_USE",
        Status.FAILED_PRECONDITION,
        "The stream still runs on its older connection; resume it again.",
    )
    STREAM_NOT_FOUND = "STREAM_NOT_FOUND", Status.NOT_FOUND, "The stream has ended, or does not exist."
    STREAM_TAKEN_OVER = (
        "STREAM_TAKEN_OVER",
        Status.FAILED_PRECONDITION,
        "The stream was resumed on another connection, so this one ended.",
    )
    STREAM_TOO_LONG = (
        "STREAM_TOO_LONG",
        Status.INVALID_ARGUMENT,
        "The conversation is longer than allowed; open another stream.",
    )
    TEXT_TOO_FAST = (
        "TEXT_TOO_FAST",
        Status.RESOURCE_EXHAUSTED,
        "Typed texts or requests for a record come too fast; resume after RetryInfo, and send the text again.",
    )
    TIME_ZONE_UNKNOWN = (
        "TIME_ZONE_UNKNOWN",
        Status.INVALID_ARGUMENT,
        "The time zone of a new session is no name in the server's time zone database.",
        "Give a name of the IANA database such as Europe/Berlin, or leave it empty for the server's setting.",
    )
    TLS_CERTIFICATE_EXPIRED = (
        "TLS_CERTIFICATE_EXPIRED",
        Status.INVALID_ARGUMENT,
        "A TLS certificate has expired, or is not valid yet.",
    )
    TLS_CERTIFICATE_UNTRUSTED = (
        "TLS_CERTIFICATE_UNTRUSTED",
        Status.UNAVAILABLE,
        "A command does not trust the CA that issued the server's certificate.",
    )
    TLS_CLIENT_CERTIFICATE_REFUSED = (
        "TLS_CLIENT_CERTIFICATE_REFUSED",
        Status.UNAVAILABLE,
        "The server wants a client certificate of a CA that it trusts.",
    )
    TLS_FILE_INVALID = (
        "TLS_FILE_INVALID",
        Status.INVALID_ARGUMENT,
        "A file of the TLS settings is missing, cannot be read, or does not hold what it should.",
    )
    TLS_INCOMPLETE = "TLS_INCOMPLETE", Status.INVALID_ARGUMENT, "A certificate is set without its key, or the reverse."
    TLS_KEY_EXPOSED = "TLS_KEY_EXPOSED", Status.INVALID_ARGUMENT, "Other users can read the file of the TLS key."
    TLS_KEY_MISMATCH = "TLS_KEY_MISMATCH", Status.INVALID_ARGUMENT, "The TLS key does not belong to the certificate."
    TLS_NAME_MISMATCH = (
        "TLS_NAME_MISMATCH",
        Status.UNAVAILABLE,
        "The server's certificate was issued for other names than the one that a command used.",
    )
    TLS_NOT_SPOKEN = "TLS_NOT_SPOKEN", Status.UNAVAILABLE, "A command speaks TLS, but the server plain text."
    TLS_REQUIRED = "TLS_REQUIRED", Status.UNAVAILABLE, "A command speaks plain text, but the server TLS."
    TOO_LARGE = "TOO_LARGE", Status.INVALID_ARGUMENT, "A size, duration or pixel bound was passed."
    TOO_MANY_CALLS = (
        "TOO_MANY_CALLS",
        Status.RESOURCE_EXHAUSTED,
        "Too many calls are open; RetryInfo says when to try again.",
    )
    TOO_MANY_CLIENT_CALLS = (
        "TOO_MANY_CLIENT_CALLS",
        Status.RESOURCE_EXHAUSTED,
        "The caller has too many calls open; RetryInfo says when to try again.",
    )
    TOO_MANY_CLIENT_STREAMS = (
        "TOO_MANY_CLIENT_STREAMS",
        Status.RESOURCE_EXHAUSTED,
        "The client has too many conversations open; RetryInfo says when to try again.",
    )
    TOO_MANY_CREDENTIAL_CHECKS = (
        "TOO_MANY_CREDENTIAL_CHECKS",
        Status.RESOURCE_EXHAUSTED,
        "Too many credentials of the network address are being checked; RetryInfo says when to try again.",
    )
    TOO_MANY_PAGES = "TOO_MANY_PAGES", Status.INVALID_ARGUMENT, "The file has several pages or frames."
    TOO_MANY_SESSION_STREAMS = (
        "TOO_MANY_SESSION_STREAMS",
        Status.RESOURCE_EXHAUSTED,
        "The session has too many conversations open; RetryInfo says when to try again.",
    )
    TOO_MANY_STREAMS = (
        "TOO_MANY_STREAMS",
        Status.RESOURCE_EXHAUSTED,
        "Too many conversations are open; RetryInfo says when to try again.",
    )
    TOO_MANY_WATCHES = (
        "TOO_MANY_WATCHES",
        Status.RESOURCE_EXHAUSTED,
        "The caller watches too many sessions or uploads; end one of the calls.",
    )
    TRAILING_DATA = "TRAILING_DATA", Status.INVALID_ARGUMENT, "Unknown bytes follow the end of the file."
    TURN_NOT_FOUND = "TURN_NOT_FOUND", Status.NOT_FOUND, "There is no such turn."
    UNAVAILABLE = "UNAVAILABLE", Status.UNAVAILABLE, "The server, or a part of it, does not answer."
    UNKNOWN_JOB_KIND = (
        "UNKNOWN_JOB_KIND",
        Status.INTERNAL,
        "A job is of a kind that this release does not know; a defect of ours.",
    )
    UNKNOWN_LANGUAGE = (
        "UNKNOWN_LANGUAGE",
        Status.INVALID_ARGUMENT,
        "The speech model does not know this language.",
        "Give an ISO 639-1 code such as en or hi, or none to have it detected; `vestibule transcribe --languages` "
        "lists those that the model knows.",
    )
    UNKNOWN_POLICY = "UNKNOWN_POLICY", Status.INVALID_ARGUMENT, "There is no retry policy of this name."
    UNSAFE_FOR_LLM = "UNSAFE_FOR_LLM", Status.UNAVAILABLE, "A text is not marked as safe, so it is not sent to the LLM."
    UNSUPPORTED_MEDIA = "UNSUPPORTED_MEDIA", Status.INVALID_ARGUMENT, "The format is not one that is read."
    UNSUPPORTED_OUTPUT = (
        "UNSUPPORTED_OUTPUT",
        Status.INVALID_ARGUMENT,
        "Pictures are encoded as JPEG or PNG only; a defect of ours.",
    )
    UPLOADS_FULL = (
        "UPLOADS_FULL",
        Status.RESOURCE_EXHAUSTED,
        "Too many bytes of uploads are arriving at this moment; RetryInfo says when to try again.",
    )
    UPLOAD_CHUNKS_TOO_SMALL = (
        "UPLOAD_CHUNKS_TOO_SMALL",
        Status.INVALID_ARGUMENT,
        "The chunks of an upload are too small; send 64 KiB at a time.",
    )
    UPLOAD_EMPTY = "UPLOAD_EMPTY", Status.INVALID_ARGUMENT, "The upload has no bytes."
    UPLOAD_ID_REUSED = "UPLOAD_ID_REUSED", Status.FAILED_PRECONDITION, "Another upload with other content has this id."
    UPLOAD_NOT_FOUND = "UPLOAD_NOT_FOUND", Status.NOT_FOUND, "There is no such upload."
    UPLOAD_NOT_READ = (
        "UPLOAD_NOT_READ",
        Status.FAILED_PRECONDITION,
        "The upload is not read yet; WatchUpload tells when it is.",
    )
    UPLOAD_QUOTA = (
        "UPLOAD_QUOTA",
        Status.RESOURCE_EXHAUSTED,
        "The client has uploaded too many files or bytes within the window; RetryInfo says when this upload fits.",
    )
    UPLOAD_STALLED = (
        "UPLOAD_STALLED",
        Status.DEADLINE_EXCEEDED,
        "The upload stopped, or fell behind the least rate; send it again with the same id.",
    )
    UPLOAD_TOO_LARGE = "UPLOAD_TOO_LARGE", Status.INVALID_ARGUMENT, "The upload has too many bytes."
    UPLOAD_TOO_SLOW = (
        "UPLOAD_TOO_SLOW",
        Status.DEADLINE_EXCEEDED,
        "The upload took too long; send it again over a faster network.",
    )
    UPSTREAM_ANSWER_CUT = (
        "UPSTREAM_ANSWER_CUT",
        Status.UNAVAILABLE,
        "The remote LLM's reply was cut at its longest length, or by a filter of the LLM.",
    )
    UPSTREAM_EMPTY = "UPSTREAM_EMPTY", Status.UNAVAILABLE, "The remote LLM answered nothing."
    UPSTREAM_ERROR = "UPSTREAM_ERROR", Status.UNAVAILABLE, "The remote LLM reports an error of its own."
    UPSTREAM_FAILED = "UPSTREAM_FAILED", Status.UNAVAILABLE, "The remote LLM gave no usable answer."
    UPSTREAM_GARBAGE = "UPSTREAM_GARBAGE", Status.UNAVAILABLE, "The remote LLM's answer cannot be read."
    UPSTREAM_HALF_ANSWER = "UPSTREAM_HALF_ANSWER", Status.UNAVAILABLE, "The remote LLM's answer broke off."
    UPSTREAM_INVALID_LABELS = (
        "UPSTREAM_INVALID_LABELS",
        Status.UNAVAILABLE,
        "The labels of the vision upstream do not fit the schema.",
    )
    UPSTREAM_INVALID_RECORD = (
        "UPSTREAM_INVALID_RECORD",
        Status.UNAVAILABLE,
        "The record of the remote LLM does not fit the schema.",
    )
    UPSTREAM_KEY_REFUSED = "UPSTREAM_KEY_REFUSED", Status.UNAVAILABLE, "The remote LLM refuses the key."
    UPSTREAM_NOT_SET = "UPSTREAM_NOT_SET", Status.UNAVAILABLE, "No remote LLM is set."
    UPSTREAM_PAUSED = (
        "UPSTREAM_PAUSED",
        Status.RESOURCE_EXHAUSTED,
        "The remote LLM asked for a pause or has just failed, so it was not asked; RetryInfo says for how long.",
    )
    UPSTREAM_RATE_LIMITED = "UPSTREAM_RATE_LIMITED", Status.RESOURCE_EXHAUSTED, "The quota of the remote LLM is full."
    UPSTREAM_REFUSED_REQUEST = "UPSTREAM_REFUSED_REQUEST", Status.UNAVAILABLE, "The remote LLM refuses the request."
    UPSTREAM_TIMEOUT = "UPSTREAM_TIMEOUT", Status.DEADLINE_EXCEEDED, "The remote LLM did not answer in time."
    UPSTREAM_UNREACHABLE = "UPSTREAM_UNREACHABLE", Status.UNAVAILABLE, "The remote LLM cannot be reached."
    URL_INVALID = "URL_INVALID", Status.INVALID_ARGUMENT, "The base URL of the remote LLM is no http or https URL."
    WATCH_LAGGED = (
        "WATCH_LAGGED",
        Status.RESOURCE_EXHAUSTED,
        "Changes were missed, mostly because the client reads them too slowly; watch again.",
    )
    WEIGHTS_FETCH_FAILED = "WEIGHTS_FETCH_FAILED", Status.UNAVAILABLE, "Model weights could not be fetched."
    WEIGHTS_INVALID = (
        "WEIGHTS_INVALID",
        Status.INVALID_ARGUMENT,
        "A model that is to be added is damaged, wants to run code, or is of no known kind; or its record was changed.",
    )
    WEIGHTS_MISMATCH = "WEIGHTS_MISMATCH", Status.UNAVAILABLE, "A weights file is not the pinned one; do not use it."
    WEIGHTS_NAME_INVALID = (
        "WEIGHTS_NAME_INVALID",
        Status.INVALID_ARGUMENT,
        "The name of a model that is to be added has characters that it may not have.",
    )
    WEIGHTS_NAME_TAKEN = "WEIGHTS_NAME_TAKEN", Status.FAILED_PRECONDITION, "There is a model of that name already."
    WEIGHTS_NO_ROOM = (
        "WEIGHTS_NO_ROOM",
        Status.RESOURCE_EXHAUSTED,
        "The disk of the cache has too little room for the model.",
    )
    WEIGHTS_OF_ANOTHER_KIND = (
        "WEIGHTS_OF_ANOTHER_KIND",
        Status.INVALID_ARGUMENT,
        "A setting names a model that was added for something else.",
    )
    WEIGHTS_PINNED = (
        "WEIGHTS_PINNED",
        Status.FAILED_PRECONDITION,
        "A model that comes with Vestibule cannot be removed with `vestibule models remove`.",
    )
    WEIGHTS_UNAVAILABLE = "WEIGHTS_UNAVAILABLE", Status.UNAVAILABLE, "Model weights are missing."
    WORKERS_DO_NOT_FIT = "WORKERS_DO_NOT_FIT", Status.INVALID_ARGUMENT, "The workers ask for more than the cluster has."
    WORKERS_MISMATCH = (
        "WORKERS_MISMATCH",
        Status.UNAVAILABLE,
        "The workers on the Ray cluster were built from other settings or redaction policies, so they refuse the call.",
    )
    WORKERS_NOT_READY = "WORKERS_NOT_READY", Status.UNAVAILABLE, "The workers are not up yet, or did not start."
    WORKER_FAILED = "WORKER_FAILED", Status.INTERNAL, "A worker failed unexpectedly."
    WORKER_KILLED = (
        "WORKER_KILLED",
        Status.UNAVAILABLE,
        "The worker, or all of Ray, died twice while it worked on the item, so the item is set aside.",
        "Look at the item before it is retried: it may kill the worker again.",
    )
    WORKER_LOST = "WORKER_LOST", Status.UNAVAILABLE, "The worker that held the call died, and retries did not help."
    WRONG_STATE = "WRONG_STATE", Status.FAILED_PRECONDITION, "The thing exists, but its state forbids this step."
