/** Serving: calls are begun in the order in which they came, as many at once as the host asked for, until it says DRAIN. */

import { writeSync } from "node:fs";
import { Fault } from "../fault.js";
import { Caller } from "../wire/caller.js";
import { Flag, Kind, writeKey } from "../wire/frame.js";
import { IllegalFrame } from "../wire/protocol-fault.js";
import { dumpLog } from "../wire/report.js";
import { describe, faultOf, stackOf } from "./failure.js";
import { Job } from "./job.js";

/** How long, in ms, calls that came in one batch run on before the wire is looked at. */
const LOOK_MS = 5;
/** A timer can wait no longer. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** @typedef {import("../wire/frame.js").Frame} Frame */
/** @typedef {import("../wire/line.js").Line} Line */

export class Server {
  /**
   * @param {Line} line
   * @param {import("./contract.js").Binding[]} bindings
   * @param {number} page the descriptor of the progress page, -1 for none
   * @param {() => void} leave called when everything is answered after DRAIN
   */
  constructor(line, bindings, page, leave) {
    this.line = line;
    this.bindings = bindings;
    this.caller = new Caller(line);
    this.page = page;
    this.leave = leave;
    const hello = /** @type {import("../wire/handshake.js").Hello} */ (line.connection.hello);
    this.prefix = hello.callPrefix;
    this.concurrency = hello.concurrency;
    /** @type {Set<Job>} */
    this.running = new Set();
    /** @type {Job[]} */
    this.inbox = [];
    this.first = 0;
    this.draining = false;
    this.looking = false;
    this.alarmAt = Infinity;
    /** @type {NodeJS.Timeout | undefined} */
    this.alarm = undefined;
    this.word = Buffer.alloc(8);
  }

  /** @param {Frame[]} frames */
  frames(frames) {
    const now = performance.now();
    for (const frame of frames) {
      if (frame.kind === Kind.CALL) this.inbox.push(new Job(this, frame, now));
      else this.act(frame);
    }
    this.work(now);
    // What waits for its turn outlives the buffer that it came in.
    for (let at = this.first; at < this.inbox.length; at++) this.inbox[at].frame.keep();
  }

  /** @param {Frame} frame */
  act(frame) {
    const { connection } = this.line;
    switch (frame.kind) {
      case Kind.PING:
        connection.pong(frame.body);
        this.line.schedule();
        break;
      case Kind.CANCEL:
        this.cancel(frame.about.owner, (frame.flags & Flag.UNSTARTED) !== 0);
        break;
      case Kind.CREDIT:
      case Kind.ITEM:
      case Kind.END:
      case Kind.FAULT:
        if (frame.about) this.stream(frame);
        else this.line.lose(new Error("the host cannot go on"));
        break;
      case Kind.DRAIN:
        this.draining = true;
        break;
      case Kind.BYE:
        this.line.lose(new Error("the host has left"));
    }
  }

  /** A frame of a stream: of the input or for the reply of a job, or of the reply or for the input of a call made. @param {Frame} frame */
  stream(frame) {
    const { owner } = frame.about;
    if (!(owner instanceof Job)) this.caller.take(frame);
    else if (frame.kind === Kind.CREDIT) owner.wake();
    else owner.take(frame);
  }

  /** @param {Job} job @param {boolean} revoke */
  cancel(job, revoke) {
    if (!job.begun) {
      this.inbox.splice(this.inbox.indexOf(job, this.first), 1);
      const fault = revoke
        ? new Fault("ABORTED", "given back before it began", { started: "no" })
        : new Fault("CANCELLED", "the call was cancelled before it began", { started: "no" });
      job.fail(fault, revoke);
    } else if (!revoke) job.stop(new Fault("CANCELLED", "the call was cancelled", { started: "yes" }));
  }

  /** Begin the calls whose turn it is; leave when there will be none. @param {number} began */
  work(began) {
    const { inbox } = this;
    let now = began;
    while (this.first < inbox.length && this.running.size < this.concurrency) {
      if (now - began > LOOK_MS) {
        this.look();
        return;
      }
      const job = inbox[this.first];
      inbox[this.first++] = /** @type {any} */ (null);
      job.begin(now);
      now = performance.now();
    }
    if (this.first === inbox.length) {
      inbox.length = this.first = 0;
      if (this.draining && !this.running.size) this.leave();
    } else if (this.first > 1024) {
      inbox.splice(0, this.first);
      this.first = 0;
    }
  }

  /** Go on after the wire has been read. */
  look() {
    if (this.looking) return;
    this.looking = true;
    setImmediate(() => {
      this.looking = false;
      if (!this.line.dead) this.work(performance.now());
    });
  }

  /** Say in the page which call begins (SPEC §8.3). @param {import("../wire/frame.js").Key} call */
  mark(call) {
    if (this.page < 0) return;
    writeKey(this.word, 0, call);
    writeSync(this.page, this.word, 0, 8, 0);
  }

  /** A job goes on after its function has returned. @param {Job} job */
  runs(job) {
    this.running.add(job);
    if (job.deadline < this.alarmAt) this.wakeAt(job.deadline);
  }

  /** @param {Job} job */
  ended(job) {
    if (this.running.delete(job) && (this.first < this.inbox.length || this.draining)) this.look();
  }

  /** @param {number} moment */
  wakeAt(moment) {
    clearTimeout(this.alarm);
    this.alarmAt = moment;
    const wait = Math.min(Math.max(moment - performance.now(), 0), TIMER_MS_MAX);
    this.alarm = setTimeout(() => this.ring(), Math.ceil(wait));
    this.alarm.unref();
  }

  /** Stop what is out of time. */
  ring() {
    const now = performance.now();
    let next = Infinity;
    for (const job of [...this.running]) {
      if (job.deadline <= now) {
        job.stop(new Fault("DEADLINE_EXCEEDED", `${job.binding.name} ran out of time`, { started: "yes" }));
      } else if (job.deadline < next) next = job.deadline;
    }
    this.alarmAt = Infinity;
    if (next < Infinity) this.wakeAt(next);
  }

  /**
   * An error that nobody caught. It is the fault of the call that runs, if that is one; else this worker is not to be
   * trusted any further, and asks to be replaced.
   *
   * @param {unknown} error
   */
  stray(error) {
    const { line } = this;
    const [job, ...others] = this.running;
    if (job && !others.length) {
      job.crash(error instanceof Fault ? error : faultOf(error));
      return;
    }
    process.stderr.write(
      `${describe(error)}, which nobody caught and no one call is known to be at fault for\n${stackOf(error)}\n`,
    );
    try {
      line.connection.event(dumpLog(`uncaught: ${describe(error)}: this worker asks to be replaced`, "error", "log"));
      line.connection.say("DRAIN");
      line.schedule();
    } catch (illegal) {
      if (!(illegal instanceof IllegalFrame)) throw illegal;
    }
  }
}
