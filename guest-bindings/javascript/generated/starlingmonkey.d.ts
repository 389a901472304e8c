// Generated from wit/ by guest-bindings/generate: do not edit.
// For the engine starlingmonkey, where numbers of 64 bits are BigInt.

declare module 'wharf:platform/config@0.1.0' {
  /**
   * The value of one key, or none. Every value is text.
   */
  export function get(key: string): string | null | undefined;
}

declare module 'wharf:platform/guard@0.1.0' {
  /**
   * Judges one request. A trap or a missed deadline refuses it with 500 or 504.
   */
  export function check(request: Request): Verdict;
  export type Request = import('wharf:platform/http-types@0.1.0').Request;
  export type Response = import('wharf:platform/http-types@0.1.0').Response;
  export type Verdict = VerdictAllow | VerdictAnswer;
  /**
   * Go on; these are added to the request's annotations, later guards winning over earlier ones.
   */
  export interface VerdictAllow {
    tag: 'allow',
    val: Array<[string, string]>,
  }
  /**
   * Answer this instead of running the handler.
   */
  export interface VerdictAnswer {
    tag: 'answer',
    val: Response,
  }
}

declare module 'wharf:platform/http-client@0.1.0' {
  /**
   * Sends a request and waits for the response's head, and for its body when that is small.
   */
  export function send(request: OutgoingRequest): Response;
  /**
   * The same for many at once; the i-th answer belongs to the i-th request.
   */
  export function sendMany(requests: Array<OutgoingRequest>): Array<Result<Response, Error>>;
  export type Headers = import('wharf:platform/http-types@0.1.0').Headers;
  export type Body = import('wharf:platform/http-types@0.1.0').Body;
  export type Response = import('wharf:platform/http-types@0.1.0').Response;
  export type Error = import('wharf:platform/http-types@0.1.0').Error;
  export interface OutgoingRequest {
    /**
     * Upper case, e.g. "GET".
     */
    method: string,
    /**
     * Absolute, "http" or "https", without user information.
     */
    url: string,
    headers: Headers,
    body: Body,
    /**
     * From the call to the response's head; none leaves the request's deadline.
     */
    timeoutMs?: number | null,
  }
  export type Result<T, E> = { tag: 'ok', val: T } | { tag: 'err', val: E };
}

declare module 'wharf:platform/http-handler@0.1.0' {
  /**
   * Answers one request. A trap becomes a 500, or breaks off a response that was started.
   */
  export function handle(request: Request, body: Body): Reply;
  export type Request = import('wharf:platform/http-types@0.1.0').Request;
  export type Body = import('wharf:platform/http-types@0.1.0').Body;
  export type BodyReader = import('wharf:platform/http-types@0.1.0').BodyReader;
  export type Headers = import('wharf:platform/http-types@0.1.0').Headers;
  export type Error = import('wharf:platform/http-types@0.1.0').Error;
  export type ReplyBody = ReplyBodyBytes | ReplyBodyReader | ReplyBodyStreamed;
  export interface ReplyBodyBytes {
    tag: 'bytes',
    val: Uint8Array,
  }
  /**
   * Hands on a body that came in, without copying it through the guest.
   */
  export interface ReplyBodyReader {
    tag: 'reader',
    val: BodyReader,
  }
  export interface ReplyBodyStreamed {
    tag: 'streamed',
    val: Chunks,
  }
  /**
   * What a handler answers. The host adds "content-length" (of bytes), "date" and "x-request-id".
   */
  export interface Reply {
    /**
     * 200 to 599.
     */
    status: number,
    headers: Headers,
    body: ReplyBody,
  }

  export class Chunks implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
     * Waits for the next bytes: at least one, best 16 to 64 KiB. None is the end; an error breaks the
     * response off.
     */
    next(): Uint8Array | null | undefined;
    /**
     * Trailer fields, asked for once after the end. Clients on HTTP/1.1 get them only if they asked.
     */
    trailers(): Headers | null | undefined;
    [Symbol.dispose](): void;
  }
}

declare module 'wharf:platform/http-types@0.1.0' {
  /**
   * Fields in the order of the wire, a repeated field once per line. Names are lower case; values are
   * bytes without line breaks (usually ASCII). Connection-level fields never appear: the host owns them.
   */
  export type Headers = Array<[string, Uint8Array]>;
  /**
   * What can go wrong with a message. The words mean the same in every capability.
   */
  export type Error = ErrorUnavailable | ErrorConnectionLost | ErrorDenied | ErrorTimeout | ErrorLimitExceeded | ErrorInvalidArgument | ErrorOther;
  /**
   * Nothing was sent (no address, no connection, no TLS); trying again is safe.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * The peer went away in the middle: OUTCOME UNKNOWN.
   */
  export interface ErrorConnectionLost {
    tag: 'connection-lost',
    val: string,
  }
  /**
   * Policy or a missing grant refused it; nothing was sent.
   */
  export interface ErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * A deadline of this call, or of the request that is being served, passed: OUTCOME UNKNOWN.
   */
  export interface ErrorTimeout {
    tag: 'timeout',
  }
  /**
   * A limit of this service was reached; the text names it.
   */
  export interface ErrorLimitExceeded {
    tag: 'limit-exceeded',
    val: string,
  }
  /**
   * The arguments can never work, e.g. a malformed header name or URL.
   */
  export interface ErrorInvalidArgument {
    tag: 'invalid-argument',
    val: string,
  }
  /**
   * Everything else; the text is for people, not for programs.
   */
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
  /**
   * A small body of known length comes as bytes (requests: up to 64 KiB), others as a reader.
   * Handing a reader on, in a reply or to `http-client`, streams it without copying it through the guest.
   */
  export type Body = BodyBytes | BodyStreamed;
  export interface BodyBytes {
    tag: 'bytes',
    val: Uint8Array,
  }
  export interface BodyStreamed {
    tag: 'streamed',
    val: BodyReader,
  }
  /**
   * An incoming request without its body.
   */
  export interface Request {
    /**
     * Upper case as sent, e.g. "GET"; any token may come.
     */
    method: string,
    /**
     * "http" or "https".
     */
    scheme: string,
    /**
     * Host and, when not the default, port, e.g. "example.com:8080".
     */
    authority: string,
    /**
     * As sent: begins with "/", percent-encoding untouched.
     */
    path: string,
    /**
     * As sent, without the "?".
     */
    query?: string | null,
    /**
     * Captures of the route pattern, percent-decoded, e.g. ("id", "42"); in pattern order.
     */
    pathParams: Array<[string, string]>,
    headers: Headers,
    /**
     * What the guards of this route found out, e.g. ("user", "7"); a client cannot forge it.
     */
    annotations: Array<[string, string]>,
    /**
     * IP address of the client (behind trusted proxies: the address that they report).
     */
    remoteAddr: string,
    /**
     * TCP port of the client; 0 when a proxy did not report it.
     */
    remotePort: number,
    /**
     * Unique to this request; also in logs and in the response field "x-request-id".
     */
    requestId: string,
    /**
     * When the request's head had arrived: Unix time in milliseconds.
     */
    receivedAt: bigint,
    /**
     * When the host gives up and answers 504: Unix time in milliseconds.
     */
    deadline: bigint,
  }
  /**
   * A response that somebody else made, or that is whole: what guards answer and the HTTP client gets.
   */
  export interface Response {
    /**
     * 200 to 599.
     */
    status: number,
    headers: Headers,
    body: Body,
  }

  export class BodyReader implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
     * Waits for the next bytes: at least one, at most `max` (1 to 1048576). Empty means the end.
     */
    read(max: number): Uint8Array;
    /**
     * Trailer fields; none before `read` reported the end, or when there are none.
     */
    trailers(): Headers | null | undefined;
    [Symbol.dispose](): void;
  }
}

declare module 'wharf:platform/kv-watcher@0.1.0' {
  /**
   * Called before any change, each time that the host has begun to watch. With `gap`, changes before it may not
   * have been told (the host has just started, the connection to the store broke, or more keys changed than can
   * wait): read what the bucket holds. It is false when a new release takes over that watches no other prefixes
   * than the one before. An error is logged, and it comes again, later each time.
   */
  export function onWatching(bucket: string, gap: boolean): void;
  /**
   * Called for a key under a watched prefix that was written, deleted or expired; at least once, with what it is
   * now: a quick series of changes may arrive as its last. Without an entry the key is gone. An error or a trap
   * is logged, and the key comes again, later each time, up to every 30 s.
   */
  export function onChange(bucket: string, key: string, entry: Entry | null | undefined): void;
  export type Entry = import('wharf:platform/kv@0.1.0').Entry;
}

declare module 'wharf:platform/kv@0.1.0' {
  /**
   * Changes with every write of a key; compare it only for equality. Below 2^53.
   */
  export type Version = bigint;
  export type Error = ErrorUnavailable | ErrorConnectionLost | ErrorDenied | ErrorTimeout | ErrorLimitExceeded | ErrorInvalidArgument | ErrorUnsupported | ErrorOther;
  /**
   * Certainly not applied; trying again is safe.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * The connection broke after a write was sent: OUTCOME UNKNOWN.
   */
  export interface ErrorConnectionLost {
    tag: 'connection-lost',
    val: string,
  }
  /**
   * Policy or a missing grant refused it; not applied.
   */
  export interface ErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * A deadline passed: OUTCOME UNKNOWN.
   */
  export interface ErrorTimeout {
    tag: 'timeout',
  }
  /**
   * A limit on keys, values, items or the bucket's size; the text names it. Not applied.
   */
  export interface ErrorLimitExceeded {
    tag: 'limit-exceeded',
    val: string,
  }
  /**
   * A bad key, cursor or number, or `increment` on a value that is no number. Not applied.
   */
  export interface ErrorInvalidArgument {
    tag: 'invalid-argument',
    val: string,
  }
  /**
   * The bucket lacks this feature; `features` tells beforehand. Not applied.
   */
  export interface ErrorUnsupported {
    tag: 'unsupported',
    val: string,
  }
  /**
   * Everything else; the text is for people, not for programs.
   */
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
  /**
   * What a bucket can do beyond get, put, delete, get-many and put-many.
   */
  export interface Features {
    /**
     * Conditions other than `always`.
     */
    conditions?: boolean,
    /**
     * Expiry.
     */
    ttl?: boolean,
    /**
     * `increment`.
     */
    counters?: boolean,
    /**
     * `transact`.
     */
    transactions?: boolean,
    /**
     * `scan` in key order, with `start`, `end` and `reverse`; without it `scan` knows only `prefix`.
     */
    ordered?: boolean,
    /**
     * Changes reach `kv-watcher`.
     */
    watch?: boolean,
    /**
     * A write that was answered survives a crash.
     */
    durable?: boolean,
    /**
     * Every read sees the latest answered write.
     */
    linearizable?: boolean,
  }
  export interface Entry {
    value: Uint8Array,
    version: Version,
    /**
     * Unix time in milliseconds; none for a value that stays.
     */
    expiresAt?: bigint | null,
  }
  /**
   * When a write may happen. An expired entry is absent.
   */
  export type Condition = ConditionAlways | ConditionIfAbsent | ConditionIfPresent | ConditionIfVersion;
  export interface ConditionAlways {
    tag: 'always',
  }
  export interface ConditionIfAbsent {
    tag: 'if-absent',
  }
  export interface ConditionIfPresent {
    tag: 'if-present',
  }
  /**
   * The entry is there, and nobody has written the key since it had this version.
   */
  export interface ConditionIfVersion {
    tag: 'if-version',
    val: Version,
  }
  /**
   * One value to store.
   */
  export interface PutItem {
    key: string,
    value: Uint8Array,
    /**
     * From now, at least 1; none, or more than 2^52, to keep it until deleted. A put without one takes away the
     * expiry that the key had.
     */
    ttlMs?: bigint | null,
  }
  export interface IncrementItem {
    key: string,
    delta: bigint,
  }
  export type Mutation = MutationPut | MutationDelete | MutationIncrement;
  export interface MutationPut {
    tag: 'put',
    val: PutItem,
  }
  export interface MutationDelete {
    tag: 'delete',
    val: string,
  }
  export interface MutationIncrement {
    tag: 'increment',
    val: IncrementItem,
  }
  /**
   * A condition on one key, which need not be among those written.
   */
  export interface Check {
    key: string,
    condition: Condition,
  }
  export interface ScanOptions {
    /**
     * Only keys that begin with this; "" for all.
     */
    prefix: string,
    /**
     * First key, included.
     */
    start?: string | null,
    /**
     * Last key, not included.
     */
    end?: string | null,
    reverse: boolean,
    /**
     * Leave the values out: they come back empty.
     */
    keysOnly: boolean,
    /**
     * At most this many entries; 1 to 1,000.
     */
    limit: number,
    /**
     * `next` of the page before, with everything else unchanged; none for the first page. It is good for ever, for
     * any instance and after any change: the scan goes on behind the last key of the page before. Text for nobody
     * else to make.
     */
    cursor?: string | null,
  }
  export interface Page {
    entries: Array<[string, Entry]>,
    /**
     * Where to go on; none after the last page. A page ends early when its values reach 4 MiB; it may be empty and
     * not the last. Pages are read one by one: what changes in between is seen or not.
     */
    next?: string | null,
  }

  export class Bucket implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
     * `name` as in the grant `kv.<name>`, e.g. "sessions". Does not connect.
     */
    static open(name: string): Bucket;
    features(): Features;
    get(key: string): Entry | null | undefined;
    /**
     * Aligned with `keys`: the i-th answer belongs to the i-th key. At most 1,000 keys and 4 MiB of values.
     */
    getMany(keys: Array<string>): Array<Entry | null | undefined>;
    /**
     * Stores a value and returns its version, or none when the condition did not hold.
     */
    put(item: PutItem, condition: Condition): Version | null | undefined;
    /**
     * Stores up to 1,000 values in any order; an error may leave some of them stored. See `transact`.
     */
    putMany(items: Array<PutItem>): void;
    /**
     * True when there was such a key, the condition held, and it is gone now.
     */
    'delete'(key: string, condition: Condition): boolean;
    /**
     * Adds to a number kept as decimal text (as in "-12": no plus, no leading zeros) and returns the sum. An absent
     * key counts as `initial` and gets the ttl; a present one keeps its expiry. `invalid-argument` for a value that
     * is no such number, and for a sum outside of a signed 64-bit number; nothing changes then.
     */
    increment(item: IncrementItem, initial: bigint, ttlMs: bigint | null | undefined): bigint;
    /**
     * One page of entries.
     */
    scan(options: ScanOptions): Page;
    /**
     * All mutations (at most 1,000) in order, at one instant, if all checks (at most 1,000) hold; none when one did
     * not, and then nothing changed. Otherwise the version that every key put or incremented has now. After an error
     * nothing changed either, but for `connection-lost` and `timeout`.
     */
    transact(checks: Array<Check>, mutations: Array<Mutation>): Version | null | undefined;
    [Symbol.dispose](): void;
  }
}

declare module 'wharf:platform/lifecycle@0.1.0' {
  /**
   * Runs at deploy; the memory that it leaves behind is what every instance starts from (routes
   * built, templates parsed). It cannot call imports. An error or a trap fails the deploy.
   */
  export function init(): void;
}

declare module 'wharf:platform/log@0.1.0' {
  /**
   * Records one event. Never waits and never fails.
   */
  export function log(level: Level, message: string, fields: Array<[string, string]>): void;
  /**
   * # Variants
   *
   * ## `"trace"`
   *
   * ## `"debug"`
   *
   * ## `"info"`
   *
   * ## `"warn"`
   *
   * ## `"error"`
   */
  export type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error';
}

declare module 'wharf:platform/pg-client@0.1.0' {
  /**
   * An interval as PostgreSQL keeps it: the three parts do not carry over into each other.
   */
  export interface Interval {
    months: number,
    days: number,
    /**
     * Microseconds.
     */
    micros: bigint,
  }
  /**
   * A time of day with its own offset.
   */
  export interface TimeTz {
    /**
     * Microseconds since midnight.
     */
    micros: bigint,
    /**
     * Seconds east of UTC.
     */
    offsetSecs: number,
  }
  /**
   * A value of a type without a case of its own (enums, composites, PostGIS, pgvector, ...).
   */
  export interface RawValue {
    typeOid: number,
    /**
     * PostgreSQL's binary format for that type.
     */
    bytes: Uint8Array,
  }
  /**
   * One value that is neither an array nor a range.
   */
  export type Scalar = ScalarNull | ScalarBoolean | ScalarInt2 | ScalarInt4 | ScalarInt8 | ScalarOid | ScalarFloat4 | ScalarFloat8 | ScalarNumeric | ScalarText | ScalarBytea | ScalarUuid | ScalarJson | ScalarJsonb | ScalarDate | ScalarTime | ScalarTimetz | ScalarTimestamp | ScalarTimestamptz | ScalarInterval | ScalarInet | ScalarCidr | ScalarMacaddr | ScalarRaw | ScalarUntyped;
  /**
   * Of any type; a parameter takes the type that the statement expects.
   */
  export interface ScalarNull {
    tag: 'null',
  }
  export interface ScalarBoolean {
    tag: 'boolean',
    val: boolean,
  }
  export interface ScalarInt2 {
    tag: 'int2',
    val: number,
  }
  export interface ScalarInt4 {
    tag: 'int4',
    val: number,
  }
  export interface ScalarInt8 {
    tag: 'int8',
    val: bigint,
  }
  export interface ScalarOid {
    tag: 'oid',
    val: number,
  }
  export interface ScalarFloat4 {
    tag: 'float4',
    val: number,
  }
  export interface ScalarFloat8 {
    tag: 'float8',
    val: number,
  }
  /**
   * Exact decimal text; also "NaN", "Infinity", "-Infinity".
   */
  export interface ScalarNumeric {
    tag: 'numeric',
    val: string,
  }
  /**
   * text, varchar, char, name, citext.
   */
  export interface ScalarText {
    tag: 'text',
    val: string,
  }
  export interface ScalarBytea {
    tag: 'bytea',
    val: Uint8Array,
  }
  /**
   * Canonical text, 36 lower-case characters.
   */
  export interface ScalarUuid {
    tag: 'uuid',
    val: string,
  }
  export interface ScalarJson {
    tag: 'json',
    val: string,
  }
  export interface ScalarJsonb {
    tag: 'jsonb',
    val: string,
  }
  /**
   * Days since 1970-01-01; the least and greatest s32 are -infinity and infinity.
   */
  export interface ScalarDate {
    tag: 'date',
    val: number,
  }
  /**
   * Microseconds since midnight.
   */
  export interface ScalarTime {
    tag: 'time',
    val: bigint,
  }
  export interface ScalarTimetz {
    tag: 'timetz',
    val: TimeTz,
  }
  /**
   * Microseconds since 1970-01-01 00:00 in no particular zone; infinities as the ends of s64.
   */
  export interface ScalarTimestamp {
    tag: 'timestamp',
    val: bigint,
  }
  /**
   * Microseconds since 1970-01-01 00:00 UTC; infinities as the ends of s64.
   */
  export interface ScalarTimestamptz {
    tag: 'timestamptz',
    val: bigint,
  }
  export interface ScalarInterval {
    tag: 'interval',
    val: Interval,
  }
  /**
   * Canonical text, e.g. "10.0.0.1" or "10.0.0.0/8".
   */
  export interface ScalarInet {
    tag: 'inet',
    val: string,
  }
  export interface ScalarCidr {
    tag: 'cidr',
    val: string,
  }
  /**
   * Canonical text, e.g. "08:00:2b:01:02:03".
   */
  export interface ScalarMacaddr {
    tag: 'macaddr',
    val: string,
  }
  export interface ScalarRaw {
    tag: 'raw',
    val: RawValue,
  }
  /**
   * A parameter only: text that the server reads as the type it expects, like a quoted literal.
   */
  export interface ScalarUntyped {
    tag: 'untyped',
    val: string,
  }
  export interface Dimension {
    length: number,
    /**
     * Usually 1.
     */
    lowerBound: number,
  }
  /**
   * An array; `null` among its elements is a null element.
   */
  export interface ArrayValue {
    /**
     * As a parameter 0 lets the statement decide.
     */
    elementOid: number,
    /**
     * Outermost first. Empty stands for one dimension from 1 (or none, without elements).
     */
    dimensions: Array<Dimension>,
    /**
     * Row-major.
     */
    elements: Array<Scalar>,
  }
  export interface RangeBounds {
    /**
     * Contains nothing; no other flag is set.
     */
    empty?: boolean,
    /**
     * Has a lower bound.
     */
    lower?: boolean,
    /**
     * The lower bound itself belongs to it.
     */
    lowerInclusive?: boolean,
    /**
     * Has an upper bound.
     */
    upper?: boolean,
    /**
     * The upper bound itself belongs to it.
     */
    upperInclusive?: boolean,
  }
  /**
   * A range, e.g. int4range or tstzrange. A multirange comes as `raw`.
   */
  export interface RangeValue {
    /**
     * OID of the range type; as a parameter 0 lets the statement decide.
     */
    typeOid: number,
    /**
     * What holds; without `lower` (or `upper`) that side is unbounded.
     */
    bounds: RangeBounds,
    /**
     * The lower bound, if there is one, then the upper bound, if there is one.
     */
    values: Array<Scalar>,
  }
  /**
   * A parameter or a column of a row.
   */
  export type PgValue = PgValueScalar | PgValueArray | PgValueRange;
  export interface PgValueScalar {
    tag: 'scalar',
    val: Scalar,
  }
  export interface PgValueArray {
    tag: 'array',
    val: ArrayValue,
  }
  export interface PgValueRange {
    tag: 'range',
    val: RangeValue,
  }
  export type Row = Array<PgValue>;
  export interface Column {
    name: string,
    /**
     * OID of its type; `select 25::regtype` names it.
     */
    typeOid: number,
  }
  /**
   * What a statement gave.
   */
  export interface RowSet {
    /**
     * Present for an empty result too; empty for a statement that cannot return rows.
     */
    columns: Array<Column>,
    rows: Array<Row>,
    /**
     * Rows inserted, updated, deleted, or returned.
     */
    affected: bigint,
  }
  /**
   * Rows as the server sent them, for language bindings that decode for themselves: a fraction of the
   * cost of `row`, which is made of values one by one.
   */
  export interface RawRows {
    count: number,
    /**
     * Row after row, and in each column after column: the length as four bytes, most significant first,
     * all ones for null, then as many bytes in PostgreSQL's binary format of the column's type.
     */
    bytes: Uint8Array,
  }
  /**
   * The raw counterpart of `row-set`.
   */
  export interface RawRowSet {
    columns: Array<Column>,
    rows: RawRows,
    affected: bigint,
  }
  export interface Statement {
    sql: string,
    params: Array<PgValue>,
  }
  /**
   * What `prepare` learned about a statement.
   */
  export interface StatementInfo {
    /**
     * OIDs of the parameters' types, $1 first.
     */
    params: Uint32Array,
    /**
     * Empty for a statement that cannot return rows.
     */
    columns: Array<Column>,
  }
  /**
   * An error that the server reported; the fields are those of PostgreSQL's protocol.
   */
  export interface DbError {
    /**
     * Five characters, never translated, e.g. "23505" for a unique violation.
     */
    sqlstate: string,
    severity: string,
    message: string,
    detail?: string | null,
    hint?: string | null,
    /**
     * Character in the statement, from 1.
     */
    position?: number | null,
    context?: string | null,
    schema?: string | null,
    table?: string | null,
    column?: string | null,
    dataType?: string | null,
    constraint?: string | null,
  }
  export type Error = ErrorUnavailable | ErrorPoolExhausted | ErrorConnectionLost | ErrorDenied | ErrorTimeout | ErrorCancelled | ErrorLimitExceeded | ErrorInvalidArgument | ErrorTransactionClosed | ErrorDb | ErrorOther;
  /**
   * Not executed (server down, refused, starting); trying again is safe.
   */
  export interface ErrorUnavailable {
    tag: 'unavailable',
    val: string,
  }
  /**
   * No connection became free in time; not executed.
   */
  export interface ErrorPoolExhausted {
    tag: 'pool-exhausted',
  }
  /**
   * The connection broke after the statement was sent: OUTCOME UNKNOWN.
   */
  export interface ErrorConnectionLost {
    tag: 'connection-lost',
    val: string,
  }
  /**
   * Policy or a missing grant refused it; not executed.
   */
  export interface ErrorDenied {
    tag: 'denied',
    val: string,
  }
  /**
   * A deadline passed and the host cancelled the statement: OUTCOME UNKNOWN outside a transaction.
   */
  export interface ErrorTimeout {
    tag: 'timeout',
  }
  /**
   * Cancelled because the request ended or an operator asked: OUTCOME UNKNOWN outside a transaction.
   */
  export interface ErrorCancelled {
    tag: 'cancelled',
  }
  /**
   * The result or this request passed a limit of rows, bytes or statements; the text names it.
   */
  export interface ErrorLimitExceeded {
    tag: 'limit-exceeded',
    val: string,
  }
  /**
   * A parameter does not fit, the text is no single statement, or it is one the host forbids.
   */
  export interface ErrorInvalidArgument {
    tag: 'invalid-argument',
    val: string,
  }
  /**
   * The transaction has ended, or one of its savepoints is still open.
   */
  export interface ErrorTransactionClosed {
    tag: 'transaction-closed',
  }
  /**
   * The server refused or aborted the statement.
   */
  export interface ErrorDb {
    tag: 'db',
    val: DbError,
  }
  /**
   * Everything else; the text is for people, not for programs.
   */
  export interface ErrorOther {
    tag: 'other',
    val: string,
  }
  /**
   * # Variants
   *
   * ## `"server-default"`
   *
   * What the server is configured for, normally read-committed.
   * ## `"read-committed"`
   *
   * ## `"repeatable-read"`
   *
   * ## `"serializable"`
   */
  export type Isolation = 'server-default' | 'read-committed' | 'repeatable-read' | 'serializable';
  export interface TransactionOptions {
    isolation: Isolation,
    readOnly: boolean,
    /**
     * With serializable and read-only: wait for a snapshot that cannot fail.
     */
    deferrable: boolean,
    /**
     * For the whole transaction, enforced by the host; none leaves the request's deadline.
     */
    timeoutMs?: number | null,
  }

  export class CopyReader implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
     * Waits for the next bytes: at least one, at most `max` (1 to 1048576). Empty means the end.
     */
    read(max: number): Uint8Array;
    [Symbol.dispose](): void;
  }

  export class CopyWriter implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
     * Bytes in the format that the statement names, cut anywhere.
     */
    write(chunk: Uint8Array): void;
    /**
     * Ends the copy and returns the number of rows stored.
     */
    finish(): bigint;
    [Symbol.dispose](): void;
  }

  export class Cursor implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    columns(): Array<Column>;
    /**
     * The next rows, at most `max-rows` (1 to 10,000). Empty means the end.
     */
    next(maxRows: number): Array<Row>;
    /**
     * `next`, with raw rows.
     */
    nextRaw(maxRows: number): RawRows;
    [Symbol.dispose](): void;
  }

  export class Database implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
     * `name` as in the grant `pg.<name>`, e.g. "main". Does not connect.
     */
    static open(name: string): Database;
    /**
     * Limits each later call through this handle; 0 restores the service's default.
     */
    setTimeout(timeoutMs: number): void;
    /**
     * Runs one statement and returns its rows. Parameters $1, $2, ... are sent apart from the text.
     */
    query(sql: string, params: Array<PgValue>): RowSet;
    /**
     * Runs one statement, drops its rows and returns how many it affected.
     */
    execute(sql: string, params: Array<PgValue>): bigint;
    /**
     * Runs statements in order in one transaction and, where possible, one round trip: all or none.
     */
    pipeline(statements: Array<Statement>): Array<RowSet>;
    /**
     * `query`, with raw rows.
     */
    queryRaw(sql: string, params: Array<PgValue>): RawRowSet;
    /**
     * `pipeline`, with raw rows.
     */
    pipelineRaw(statements: Array<Statement>): Array<RawRowSet>;
    /**
     * Checks a statement against the schema without running it. Never needed for speed: the host
     * prepares every statement once per connection.
     */
    prepare(sql: string): StatementInfo;
    /**
     * Reads a result in batches from one snapshot; holds a connection until it is dropped.
     */
    cursor(sql: string, params: Array<PgValue>): Cursor;
    /**
     * Runs COPY ... FROM STDIN; holds a connection until it is dropped.
     */
    copyIn(sql: string): CopyWriter;
    /**
     * Runs COPY ... TO STDOUT; holds a connection until it is dropped.
     */
    copyOut(sql: string): CopyReader;
    /**
     * Starts a transaction on a connection of its own.
     */
    begin(options: TransactionOptions): Transaction;
    /**
     * NOTIFY; `payload` has at most 7,999 bytes.
     */
    notify(channel: string, payload: string): void;
    [Symbol.dispose](): void;
  }

  export class Transaction implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    query(sql: string, params: Array<PgValue>): RowSet;
    execute(sql: string, params: Array<PgValue>): bigint;
    pipeline(statements: Array<Statement>): Array<RowSet>;
    /**
     * `query`, with raw rows.
     */
    queryRaw(sql: string, params: Array<PgValue>): RawRowSet;
    /**
     * `pipeline`, with raw rows.
     */
    pipelineRaw(statements: Array<Statement>): Array<RawRowSet>;
    /**
     * The transaction may go on while the cursor is open.
     */
    cursor(sql: string, params: Array<PgValue>): Cursor;
    /**
     * The transaction waits until the writer is dropped.
     */
    copyIn(sql: string): CopyWriter;
    /**
     * The transaction waits until the reader is dropped; dropping it before its end ends the transaction,
     * undoing it.
     */
    copyOut(sql: string): CopyReader;
    /**
     * A transaction inside this one: its commit releases the savepoint; anything else rolls back to it.
     * This one answers `transaction-closed` until that one has ended.
     */
    savepoint(): Transaction;
    /**
     * Ends the transaction. `connection-lost` here: OUTCOME UNKNOWN.
     */
    commit(): void;
    /**
     * Ends the transaction, undoing it. Dropping does the same, without reporting errors.
     */
    rollback(): void;
    [Symbol.dispose](): void;
  }
}

declare module 'wharf:platform/pg-listener@0.1.0' {
  /**
   * Called before any notification, each time that the host has begun to listen. `missed` tells that
   * notifications since the last call may be lost (the connection broke, or the queue was full): read the
   * state that they would have told of. It is false when a release begins to listen, which says nothing of
   * what was notified before a host started. Each host that serves the component calls an instance of its own.
   */
  export function onListening(database: string, missed: boolean): void;
  /**
   * Called at most once for each notification, in the order of the server.
   */
  export function onNotify(notification: Notification): void;
  export interface Notification {
    /**
     * The grant's name, as in `pg.<name>`.
     */
    database: string,
    channel: string,
    /**
     * At most 7,999 bytes.
     */
    payload: string,
    /**
     * Process id of the session that notified.
     */
    sender: number,
  }
}

declare module 'wharf:platform/websocket-handler@0.1.0' {
  /**
   * Serves one connection until it returns. An error before the handshake is complete is the
   * client's answer; after it, the connection closes with 1011.
   */
  export function handle(request: Request, connection: Connection): void;
  export type Request = import('wharf:platform/http-types@0.1.0').Request;
  export type Response = import('wharf:platform/http-types@0.1.0').Response;
  export type Connection = import('wharf:platform/websocket@0.1.0').Connection;
}

declare module 'wharf:platform/websocket@0.1.0' {
  export type Error = import('wharf:platform/http-types@0.1.0').Error;
  export type Message = MessageText | MessageBinary;
  export interface MessageText {
    tag: 'text',
    val: string,
  }
  export interface MessageBinary {
    tag: 'binary',
    val: Uint8Array,
  }

  export class Connection implements Disposable {
    /**
     * This type does not have a public constructor.
     */
    private constructor();
    /**
     * Completes the handshake with at most one of the subprotocols that the client offered.
     * The first `send` or `receive` does it too, without a subprotocol.
     */
    accept(subprotocol: string | null | undefined): void;
    /**
     * Queues a message, and waits while 64 KiB or more are queued.
     */
    send(message: Message): void;
    /**
     * Waits for the next message; none when `timeout-ms` passed without one.
     * `connection-lost` tells that the client closed, or is gone.
     */
    receive(timeoutMs: number | null | undefined): Message | null | undefined;
    /**
     * Starts the closing handshake. `code` is 1000 or 3000 to 4999; `reason` has at most 123 bytes.
     */
    close(code: number, reason: string): void;
    [Symbol.dispose](): void;
  }
}
