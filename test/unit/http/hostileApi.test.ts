import { attacked, hostileCorpus } from './corpus.ts';
import { secretsOf } from './support.ts';

const { clientId } = secretsOf('acme');

hostileCorpus(await attacked(), [
  {
    url: '/api/makecallexternal',
    methods: ['GET', 'POST'],
    values: {
      clientId,
      code: '101',
      userId: '7',
      phone: '+375291234567',
      externalPhone: '+375171234503',
      requestId: 'r',
    },
  },
  {
    url: '/api/transfer',
    methods: ['GET', 'POST'],
    values: { clientId, code: '101', callId: 'pbx1-1.0', by: '102', kind: 'blind', to: '103' },
  },
  {
    url: '/api/monitor',
    methods: ['GET', 'POST'],
    values: { clientId, code: '101', callId: 'pbx1-1.0', by: '102', mode: 'listen' },
  },
  { url: '/api/hangup', methods: ['GET', 'POST'], values: { clientId, code: '101', callId: 'pbx1-1.0', by: '102' } },
  { url: '/api/responsible', methods: ['GET'], values: { clientId, phone: '+375291234567' } },
]);
