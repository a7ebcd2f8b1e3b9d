/** Every scenario there is, in the order they are played. */
import { callerScenarios } from './callers.ts';
import { clickScenarios } from './clicks.ts';
import { controlScenarios } from './control.ts';
import { doctorScenarios } from './doctor.ts';
import { elsewhereScenarios } from './elsewhere.ts';
import type { Scenario } from './expect.ts';
import { inboundScenarios } from './inbound.ts';
import { orderScenarios } from './orders.ts';
import { outboundScenarios } from './outbound.ts';
import { queueScenarios } from './queues.ts';
import { routingScenarios } from './routing.ts';
import { transferScenarios } from './transfers.ts';
import { troubleScenarios } from './trouble.ts';

export const scenarios: Scenario[] = [
  ...inboundScenarios,
  ...callerScenarios,
  ...queueScenarios,
  ...outboundScenarios,
  ...clickScenarios,
  ...orderScenarios,
  ...transferScenarios,
  ...controlScenarios,
  ...doctorScenarios,
  ...routingScenarios,
  ...elsewhereScenarios,
  ...troubleScenarios,
];
