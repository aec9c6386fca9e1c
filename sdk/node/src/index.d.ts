/** Types of the package: what a function is given, what a client gives, and what both fail with. */

/** The name of a gRPC status code other than OK. */
export type Code =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

/** Whether the function had begun when the call failed; it decides who may retry. */
export type Started = "no" | "yes" | "unknown";

/** One place where a value breaks its contract: a JSON Pointer (RFC 6901), and what is wrong there. */
export interface Breach {
  readonly path: string;
  readonly message: string;
}

export interface FaultFields {
  started?: Started;
  errors?: readonly Breach[];
  /** Seconds after which a retry makes sense. */
  retryAfter?: number;
  traceback?: string;
  cause?: unknown;
  remote?: boolean;
}

/** A call that failed. Throw one from a function, catch one from a caller, and tell them apart by `code`. */
export class Fault extends Error {
  constructor(code: Code, detail: string, more?: FaultFields);
  readonly code: Code;
  readonly detail: string;
  readonly started: Started;
  readonly errors: readonly Breach[];
  readonly retryAfter: number | undefined;
  readonly traceback: string;
  /** Whether it came from the other side of a wire. */
  readonly remote: boolean;
  /** The full name of the function, where a caller gets it. */
  function: string;
  /** True when the call never ran and the condition may pass, so that anyone may safely try again. */
  get retryable(): boolean;
  static invalidArgument(detail: string, errors?: readonly Breach[]): Fault;
  static unauthenticated(detail: string): Fault;
  static permissionDenied(detail: string): Fault;
  static notFound(detail: string): Fault;
  static aborted(detail: string): Fault;
  static alreadyExists(detail: string): Fault;
  static failedPrecondition(detail: string): Fault;
  static outOfRange(detail: string): Fault;
  static resourceExhausted(detail: string, retryAfter?: number): Fault;
  static cancelled(detail: string): Fault;
  static unknown(detail: string): Fault;
  static internal(detail: string): Fault;
  static dataLoss(detail: string): Fault;
  static unimplemented(detail: string): Fault;
  static unavailable(detail: string, retryAfter?: number): Fault;
  static deadlineExceeded(detail: string): Fault;
}

export interface CallOptions {
  /** Milliseconds; may only shorten the time that there is. */
  timeout?: number;
  /** Gives the call up. */
  signal?: AbortSignal;
  /** How the reply is wanted; MessagePack by default, since it has bytes and every float. */
  reply?: "msgpack" | "json" | "bytes" | "arrow";
}

/** A running call, as its function sees it. */
export interface Context {
  /** Aborted when the caller gives the call up or its time is up, with that Fault as the reason. */
  readonly signal: AbortSignal;
  readonly cancelled: boolean;
  /** The id of this call, as it stands in logs. */
  readonly callId: string;
  /** The W3C `traceparent` of this call; empty where it is not traced. */
  readonly trace: string;
  readonly traceState: string;
  /** Milliseconds until the deadline, at least 0; Infinity where there is none. */
  readonly remaining: number;
  log(message: string, fields?: Record<string, unknown>, level?: "debug" | "info" | "warning" | "error"): void;
  /** Tell how far the call is: a share between 0 and 1, and a word about it. */
  progress(share: number, message?: string): void;
  /** Call any function of the project, in any language. One property of the input may be an async iterable. */
  call<Output = any>(name: string, input?: object | Uint8Array, options?: CallOptions): Promise<Output>;
  /** Call any function of the project for the items of its stream. */
  stream<Item = any>(name: string, input?: object | Uint8Array, options?: CallOptions): AsyncIterableIterator<Item>;
}

/** A JSON Schema (2020-12), as an object. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** A validator of the Standard Schema specification: zod, valibot, arktype and others. */
export interface StandardSchema<Input = any, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown, ...rest: any[]) => unknown;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What may be said of a function: on it (`thumb.input = …`), in `export const schemas`, or by `define`. */
export interface Contract {
  /** The schema of the input, which is an object. A validator's own value is what the function gets. */
  input?: JsonSchema | StandardSchema;
  output?: JsonSchema | StandardSchema;
  description?: string;
  version?: string;
  /** Whether the reply is a stream. Generator functions say so by themselves. */
  streaming?: boolean;
  idempotent?: boolean;
  /** The property of the input that may come item by item. */
  inputStream?: string;
  /** The property of the input that takes a raw body. */
  rawInput?: string;
  /** Whether the result is bytes, sent as they are. */
  rawOutput?: boolean;
}

/** What a function with this contract is given. */
export type InputOf<C extends Contract> = C["input"] extends {
  readonly "~standard": { readonly types?: { readonly output: infer Output } | undefined };
}
  ? Output
  : any;

/** Put a contract on a function; its input is typed by the validator. */
export function define<C extends Contract, Result>(
  contract: C,
  func: (input: InputOf<C>, ctx: Context) => Result,
): ((input: InputOf<C>, ctx: Context) => Result) & C;

export interface ClientOptions {
  /** For a host that asks for one. */
  token?: string;
  /** Milliseconds for each attempt to connect; 5000 if not said. */
  connectTimeout?: number;
  /** For TLS: certificates of authorities, and one's own; as `node:tls` takes them. */
  tls?: import("node:tls").ConnectionOptions;
  /** W3C `traceparent` of every call that names none. */
  trace?: string;
}

export interface ClientCallOptions extends CallOptions {
  /** W3C `traceparent`, with `traceState` beside it. */
  trace?: string;
  traceState?: string;
  /** The call's public id; the host makes one if it is not said. */
  callId?: string;
}

/** One multiplexed connection to a host, made anew when it is lost. */
export interface Client extends AsyncDisposable {
  /** The project's name. */
  readonly service: string;
  call<Output = any>(name: string, input?: object | Uint8Array, options?: ClientCallOptions): Promise<Output>;
  stream<Item = any>(
    name: string,
    input?: object | Uint8Array,
    options?: ClientCallOptions,
  ): AsyncIterableIterator<Item>;
  /** The contracts of everything that can be called. */
  functions(): Promise<{ service: string; functions: any[] }>;
  /** Wait for the calls in flight, at most so many milliseconds, then close. */
  close(grace?: number): Promise<void>;
}

/** Connect to a host: `unix:///run/dragoman.sock`, `tcp+tls://host:port`. */
export function connect(url: string, options?: ClientOptions): Promise<Client>;

export interface OpenOptions extends ClientOptions {
  /** The `dragoman` program; `DRAGOMAN` in the environment, or the one on PATH, if not said. */
  program?: string | readonly string[];
  /** Milliseconds until the host must be ready, its sources built; 600000 if not said. */
  startTimeout?: number;
  /** Where the host's log goes: inherited (the default), or nowhere. */
  log?: "inherit" | "ignore";
}

/** A client with a host of its own, which ends with it. */
export interface Host extends Client {
  /** The process id of the host. */
  readonly pid: number;
}

/** Host a project for this program alone: a child that ends with its parent. */
export function open(project: string, options?: OpenOptions): Promise<Host>;
