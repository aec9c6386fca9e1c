/** A host for one program: a child that serves a project on a private socket, and ends with its parent. */

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Fault } from "../fault.js";
import { NativeClient } from "./client.js";

/** @typedef {import("../index.js").OpenOptions} OpenOptions */

/** As long as one build may take where the project does not say otherwise: hosts are ready when theirs are done. */
const START_MS = 600_000;
/** How long a host may take to end once its stdin is closed; then it is killed, and its workers end with it. */
const END_MS = 10_000;
/** How often it is tried whether the host is there. */
const LOOK_MS = 20;
/** The end of what a host that did not start has said. */
const TAIL_CHARS = 4000;

/** A client of a host that was started for it. */
export class OwnHost extends NativeClient {
  /**
   * @param {string} url
   * @param {OpenOptions} options
   * @param {import("node:child_process").ChildProcess} child
   * @param {string} folder
   */
  constructor(url, options, child, folder) {
    super(url, options);
    this.child = child;
    this.folder = folder;
    /** Why there is no host, once there is none. @type {Fault | null} */
    this.failed = null;
    this.tail = "";
    this.clear = () => rmSync(folder, { recursive: true, force: true });
    process.once("exit", this.clear);
    this.over = new Promise((resolve) => {
      child.once("error", (error) => {
        const advice = "put dragoman on PATH, or name it in DRAGOMAN";
        this.failed = new Fault("UNAVAILABLE", `${child.spawnfile} cannot be started: ${error.message}: ${advice}`, {
          started: "no",
          cause: error,
        });
        resolve(undefined);
      });
      child.once("exit", (code, signal) => {
        this.failed ??= new Fault("UNAVAILABLE", `the host ended (${signal ?? code}):\n${this.tail}`, {
          started: "no",
        });
        resolve(undefined);
      });
    });
  }

  get pid() {
    return this.child.pid ?? 0;
  }

  /** @param {import("./client.js").Wish} wish */
  async linked(wish) {
    if (this.failed && !this.closed) throw this.failed;
    try {
      return await super.linked(wish);
    } catch (error) {
      throw this.closed ? error : (this.failed ?? error);
    }
  }

  /** Wait until the host takes calls. @param {number} timeout ms */
  async started(timeout) {
    const ends = performance.now() + timeout;
    for (;;) {
      try {
        await this.attempt(ends - performance.now());
        return;
      } catch (error) {
        if (this.failed) throw this.failed;
        if (performance.now() > ends) {
          const detail = `the host was not ready in ${timeout} ms:\n${this.tail}`;
          throw new Fault("DEADLINE_EXCEEDED", detail, { started: "no", cause: error });
        }
      }
      await wait(LOOK_MS);
    }
  }

  /** @param {number} [grace] ms */
  async close(grace) {
    if (this.closed) return;
    await super.close(grace);
    this.child.stdin?.end();
    const kill = setTimeout(() => this.child.kill("SIGKILL"), END_MS);
    await this.over;
    clearTimeout(kill);
    process.removeListener("exit", this.clear);
    this.clear();
  }
}

/** @param {string} project @param {OpenOptions} [options] @returns {Promise<OwnHost>} */
export async function open(project, options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "dragoman-"));
  const url = `unix://${join(folder, "host.sock")}`;
  const told = options.program ?? process.env.DRAGOMAN ?? "dragoman";
  const [program, ...before] = typeof told === "string" ? [told] : told;
  const child = spawn(program, [...before, "serve", project, "--native", url, "--no-http", "--exit-with-stdin"], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  const host = new OwnHost(url, options, child, folder);
  child.stdin?.on("error", () => {}); // it is told by its end
  child.stderr?.on("data", (data) => {
    host.tail = (host.tail + data).slice(-TAIL_CHARS);
    if (options.log !== "ignore") process.stderr.write(data);
  });
  try {
    await host.started(options.startTimeout ?? START_MS);
  } catch (error) {
    await host.close(0);
    throw error;
  }
  return host;
}
