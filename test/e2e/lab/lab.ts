/** What a scenario gets: a running PBX, its phones, and the outside world. */
import type { Emulator } from '../../../src/sandbox/emulator.ts';
import type { Asterisk } from './asterisk.ts';
import { phoneDial } from './conf/setup.ts';
import { phoneQueues } from './conf/shop.ts';
import { phoneSecret } from './conf/sip.ts';
import { field, type Manager, type Message } from './manager.ts';
import type { Line } from './proxy.ts';
import { SipAgent } from './sip/agent.ts';

/** A telephone of an employee. */
export interface Phone {
  /** Its extension. */
  ext: string;
  agent: SipAgent;
  /** Takes it off the PBX (`false`) or puts it back; resolves when Asterisk's device state and its queues say so. */
  registered(yes: boolean): Promise<void>;
}

/** What may happen to our daemon in the middle of a scenario. */
export interface DaemonTrouble {
  /** Resets its connection to AMI; it may connect again at once. */
  cutAmi(): void;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same database; resolves when it is in sync. */
  restart(): Promise<void>;
  /** Somebody clicks on a number in the CRM; what the daemon answered. */
  click(userId: number, phone: string): Promise<{ status: number; body: string }>;
  /** A trigger of the CRM tells that an order was edited; what the daemon answered. */
  hint(orderId: number): Promise<{ status: number; body: string }>;
  /** The CRM can be reached, is not there, or takes connections and never answers. */
  crmLine(line: Line): Promise<void>;
  /** Resolves with the next line of its log, from now on, that holds the text. */
  says(text: string): Promise<void>;
  /** A script asks the daemon's API: `transfer`, `monitor`, `hangup`, … */
  api(path: string, parameters: Readonly<Record<string, string>>): Promise<{ status: number; body: string }>;
  /** Runs another command of the program on its configuration. */
  command(...args: string[]): Promise<{ code: number; out: string }>;
  /** The emulated CRM. */
  readonly crm: Emulator;
  /** How often it came in sync with the host. */
  readonly syncs: number;
  /** Resolves when it was in sync more than `before` times. */
  synced(before: number): Promise<void>;
}

/** Everything a scenario plays with. */
export interface Lab {
  asterisk: Asterisk;
  /** Outside line of Belarusian numbers: places customers' calls and receives ours. */
  by: SipAgent;
  /** Outside line of Russian numbers. */
  ru: SipAgent;
  /** Registered telephones of 150, 151, 152. */
  phone150: Phone;
  phone151: Phone;
  phone152: Phone;
  /** The daemon, if the scenario is played with it. */
  daemon: DaemonTrouble | undefined;
  /** Longest time Asterisk kept a phone waiting so far, milliseconds: by so much what is promised in time may be later. */
  slowestMs(): number;
  /** A second device of an extension, registered now. `number` (160-199) is its address in the lab. */
  secondDevice(ext: string, number: number): Promise<Phone>;
}

/** A lab with its phones. */
export interface OpenLab {
  lab: Lab;
  /** Longest time Asterisk kept a phone waiting since the lab was opened, milliseconds. */
  slowestMs(): number;
  /** How many calls phones and providers had. */
  calls(): number;
  /** Frees the addresses. */
  close(): void;
}

/** Opens phones and providers around a running Asterisk. */
export async function openLab(asterisk: Asterisk, daemon: DaemonTrouble | undefined): Promise<OpenLab> {
  const { network } = asterisk;
  const agents: SipAgent[] = [];
  const open = async (address: string, account?: { user: string; secret: string }): Promise<SipAgent> => {
    const agent = await SipAgent.open({ address, pbx: network.pbx, ...(account === undefined ? {} : { account }) });
    agents.push(agent);
    return agent;
  };
  const device = async (ext: string, number: number): Promise<Phone> => {
    const agent = await open(network.device(number), { user: ext, secret: phoneSecret(ext) });
    await agent.register();
    return { ext, agent, registered: (yes) => turn(asterisk, ext, agent, yes) };
  };
  const close = (): void => agents.forEach((agent) => agent.close());
  try {
    const phones = [await device('150', 150), await device('151', 151), await device('152', 152)] as const;
    for (const { ext } of phones) await knownAs(asterisk, ext, true, (...wanted) => asterisk.manager.event(...wanted));
    const [phone150, phone151, phone152] = phones;
    const [by, ru] = [await open(network.providerBy), await open(network.providerRu)];
    for (const agent of agents) agent.slowestMs = 0;
    const slowestMs = (): number => Math.max(...agents.map((agent) => agent.slowestMs));
    const lab = { asterisk, daemon, by, ru, phone150, phone151, phone152, slowestMs, secondDevice: device };
    return {
      lab,
      slowestMs,
      calls: () => agents.reduce((sum, { calls }) => sum + calls.length, 0),
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

// Asterisk answers a REGISTER before the state of the device follows, and the queues hear of it later still: whoever asks
// or calls in between meets the old state.
async function turn(asterisk: Asterisk, ext: string, agent: SipAgent, on: boolean): Promise<void> {
  const told = knownAs(asterisk, ext, on, (...wanted) => asterisk.manager.nextEvent(...wanted));
  told.catch(() => undefined);
  await (on ? agent.register() : agent.unregister());
  await told;
}

/** Resolves when device state and every queue the phone is a member of have it registered, or not. */
async function knownAs(asterisk: Asterisk, ext: string, on: boolean, event: Manager['event']): Promise<void> {
  const device = phoneDial(asterisk.driver, ext);
  const reachable = (away: string[], name: string) => (message: Message) => !away.includes(field(message, name)) === on;
  const state = reachable(['UNAVAILABLE'], 'State');
  const member = reachable(['0', '4', '5'], 'Status'); // unknown, invalid, unavailable
  await Promise.all([
    event('DeviceStateChange', (message) => field(message, 'Device') === device && state(message)),
    ...phoneQueues.map((queue) =>
      event(
        'QueueMemberStatus',
        (message) => field(message, 'Queue') === queue && field(message, 'Interface') === device && member(message),
      ),
    ),
  ]);
}
