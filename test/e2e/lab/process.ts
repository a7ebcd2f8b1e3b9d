/** Child processes of the lab: each is known by its id, and none outlives the run. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';

const running = new Set<ChildProcess>();

/** Runs a command to its end and returns what it printed. Throws with its last words if it fails. */
export function output(command: string, args: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { encoding: 'utf8', maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${command} failed: ${stderr.trim().split('\n').at(-1) ?? error.message}`));
    });
  });
}

/** A process that runs until it is ended by its id. */
export interface Running {
  pid: number;
  /** Resolves with the exit code, or the signal's name. Never rejects. */
  exited: Promise<number | string>;
  /** Sends a signal; nothing happens if the process is gone. */
  signal(name: NodeJS.Signals): void;
}

/** Starts a long-running process; stdout and stderr go to `logFile`. `onOutput` sees the text as it comes. */
export function start(
  command: string,
  args: string[],
  options: { logFile: string; env?: NodeJS.ProcessEnv; cwd?: string; onOutput?: (text: string) => void },
): Running {
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: options.env ?? process.env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const log = createWriteStream(options.logFile, { flags: 'a' });
  for (const stream of [child.stdout, child.stderr]) {
    stream.pipe(log, { end: false });
    stream.on('data', (chunk: Buffer) => options.onOutput?.(chunk.toString('utf8')));
  }
  running.add(child);
  const exited = new Promise<number | string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'gone'));
  }).finally(() => {
    running.delete(child);
    log.end();
  });
  return {
    pid: child.pid ?? -1,
    exited,
    signal: (name) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(name);
    },
  };
}

/** Processes that somebody else started for us: database servers. */
const adopted = new Set<number>();

/** Makes a process end with the run, too. Returns the release, for when it was stopped in order. */
export function adopt(pid: number): () => void {
  adopted.add(pid);
  return () => adopted.delete(pid);
}

/** Ends everything that still runs; the last thing the runner does, whatever happened before. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
  for (const pid of adopted) {
    try {
      process.kill(pid, 'SIGQUIT'); // PostgreSQL's immediate shutdown takes its children along
    } catch {
      // It is gone already.
    }
  }
  adopted.clear();
}
