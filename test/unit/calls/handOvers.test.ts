import { describe, expect, test } from '@jest/globals';
import { outcome, type Script, script } from '../../support/callsScript.ts';

/** 150 (phone `a`) has talked with the customer `c` since 3.0 s. */
function talking(): Script {
  return script()
    .incoming('c')
    .at(1000)
    .dial('c', 'a', { ext: '150' })
    .ring('a')
    .at(3000)
    .answer('a')
    .up('c')
    .bridge('b', 'a', 'c');
}

/** 150 hands the customer over blind at 8.0 s; her phone is free. */
function blindTo(exten: string): Script {
  return talking().at(8000).blind('a', exten).leave('a', 'c').hangup('a');
}

/** 150 calls 151 on a second line (`a2` → `t`) at 6.0 s while the customer holds. */
function consults(stream = talking()): Script {
  return stream.at(6000).employee('a2', '150', '151').dial('a2', 't', { ext: '151' }).ring('t');
}

describe('blind transfers', () => {
  test('9: A to B, answered: one upload, owner B, a popup at B when her phone rings', () => {
    const stream = blindTo('151')
      .dial('c', 't', { ext: '151' })
      .ring('t')
      .at(11_000)
      .answer('t')
      .bridge('b2', 't', 'c');
    const { calls, uploads, popups } = outcome(stream.at(20_000).hangup('t').hangup('c'));
    expect(uploads).toEqual(['c: in answered 3+17 of 151']);
    expect(calls).toMatchObject([
      {
        answeredBy: '150',
        handledBy: ['150', '151'],
        transfers: [{ type: 'blind', from: '150', to: '151', result: 'answered' }],
      },
    ]);
    expect(popups).toEqual(['1.15 in 150', '8.15 in 151', '20 hangup 150+151 answered']);
  });

  test.each([
    { policy: 'first_talker' as const, owner: '150' },
    { policy: 'last_talker' as const, owner: '151' },
    { policy: 'longest_talker' as const, owner: '151' },
  ])('the owner by $policy is $owner', ({ policy, owner }) => {
    const stream = blindTo('151')
      .dial('c', 't', { ext: '151' })
      .ring('t')
      .at(11_000)
      .answer('t')
      .bridge('b2', 't', 'c');
    const { uploads } = outcome(stream.at(20_000).hangup('t').hangup('c'), { owner: policy });
    expect(uploads).toEqual([`c: in answered 3+17 of ${owner}`]);
  });

  test('the longest talker is not always the last', () => {
    const stream = blindTo('151')
      .dial('c', 't', { ext: '151' })
      .ring('t')
      .at(11_000)
      .answer('t')
      .bridge('b2', 't', 'c');
    const { uploads } = outcome(stream.at(12_000).hangup('t').hangup('c'), { owner: 'longest_talker' });
    expect(uploads).toEqual(['c: in answered 3+9 of 150']);
  });

  test.each([
    { dialStatus: 'BUSY', cause: 17, result: 'busy' },
    { dialStatus: 'NOANSWER', cause: 19, result: 'no answer' },
    { dialStatus: 'NOANSWER', cause: 21, result: 'declined' },
  ])('to somebody who ends it $result: the answer of A stands', ({ dialStatus, cause, result }) => {
    const stream = blindTo('151')
      .dial('c', 't', { ext: '151' })
      .ring('t')
      .at(12_000)
      .dialEnd('t', dialStatus)
      .hangup('t', cause);
    const { calls, uploads } = outcome(stream.at(13_000).hangup('c', 17));
    expect(uploads).toEqual(['c: in answered 3+10 of 150']);
    expect(calls[0]?.transfers).toMatchObject([{ type: 'blind', from: '150', to: '151', result }]);
  });

  test('12: to a queue whose first round nobody takes: one upload, the last talk owns it', () => {
    const stream = blindTo('600')
      .queue('c')
      .dial('c', 't', { ext: '151' })
      .ring('t')
      .at(18_000)
      .dialEnd('t', 'NOANSWER')
      .hangup('t', 0);
    stream
      .at(20_000)
      .dial('c', 't2', { ext: '152' })
      .ring('t2')
      .at(22_000)
      .answer('t2')
      .bridge('b2', 't2', 'c')
      .at(30_000);
    const { calls, uploads } = outcome(stream.hangup('t2').hangup('c'));
    expect(uploads).toEqual(['c: in answered 3+27 of 152']);
    expect(calls[0]).toMatchObject({
      handledBy: ['150', '152'],
      transfers: [{ type: 'blind', from: '150', to: '152', result: 'answered' }],
    });
  });

  test('a chain: A to B to C is two transfers of one call', () => {
    const stream = blindTo('151')
      .dial('c', 't', { ext: '151' })
      .ring('t')
      .at(11_000)
      .answer('t')
      .bridge('b2', 't', 'c');
    stream.at(14_000).blind('t', '152').leave('t', 'c').hangup('t').dial('c', 'u', { ext: '152' }).ring('u').at(16_000);
    const { calls } = outcome(stream.answer('u').bridge('b3', 'u', 'c').at(20_000).hangup('u').hangup('c'));
    expect(calls).toMatchObject([
      {
        handledBy: ['150', '151', '152'],
        transfers: [
          { from: '150', to: '151', result: 'answered' },
          { from: '151', to: '152', result: 'answered' },
        ],
      },
    ]);
  });

  test('to an outside number: part of the incoming call', () => {
    const stream = blindTo('80290000778')
      .dial('c', 'o', { number: '80290000778' })
      .at(12_000)
      .answer('o')
      .bridge('b2', 'o', 'c');
    const { calls, uploads } = outcome(stream.at(20_000).hangup('o').hangup('c'));
    expect(calls).toMatchObject([
      {
        direction: 'in',
        handledBy: ['150', '+375290000778'],
        transfers: [{ type: 'blind', to: '+375290000778', result: 'answered' }],
      },
    ]);
    expect(uploads).toEqual(['c: in answered 3+17 of 150']);
  });

  test('AMI Redirect sends no transfer event: the customer dials on by herself', () => {
    const stream = talking()
      .at(8000)
      .leave('c')
      .hangup('a')
      .dial('c', 't', { ext: '151' })
      .ring('t')
      .at(10_000)
      .answer('t');
    const { calls } = outcome(stream.bridge('b2', 't', 'c').at(15_000).hangup('t').hangup('c'));
    expect(calls[0]?.transfers).toMatchObject([{ type: 'redirect', from: '150', to: '151', result: 'answered' }]);
  });
});

describe('attended transfers', () => {
  test('10: consult, then bridge: the consultation is internal, one upload, owner B', () => {
    const stream = consults().at(9000).answer('t').up('a2').bridge('b2', 't', 'a2').at(12_000).attended('a');
    stream.leave('a2').leave('a').enter('b', 't', 'simple_bridge', 'a').linked('t', 'c').hangup('a').hangup('a2');
    const { calls, uploads, drops } = outcome(stream.at(20_000).hangup('t').hangup('c'));
    expect(uploads).toEqual(['c: in answered 3+17 of 151']);
    expect(calls).toMatchObject([
      { handledBy: ['150', '151'], transfers: [{ type: 'attended', from: '150', to: '151', result: 'answered' }] },
    ]);
    expect(drops).toEqual([]);
  });

  test('11: B refuses and A returns: owner A, no call beside it reaches the CRM', () => {
    const stream = consults().at(8000).dialEnd('t', 'BUSY').hangup('t', 17).hangup('a2', 17);
    const { uploads, calls } = outcome(stream.at(20_000).hangup('a').hangup('c'));
    expect(uploads).toEqual(['c: in answered 3+17 of 150']);
    expect(calls.filter((call) => call.logToCrm)).toMatchObject([{ handledBy: ['150'], transfers: [] }]);
  });

  test('completed while it still rings: B answers the customer', () => {
    const stream = consults()
      .at(8000)
      .attended('a')
      .linked('t', 'c')
      .leave('a', 'c')
      .hangup('a')
      .hangup('a2')
      .at(10_000)
      .answer('t');
    const { calls, uploads } = outcome(stream.bridge('b', 't', 'c').at(20_000).hangup('t').hangup('c'));
    expect(uploads).toEqual(['c: in answered 3+17 of 151']);
    expect(calls.filter((call) => call.direction === 'in')).toMatchObject([
      { handledBy: ['150', '151'], transfers: [{ type: 'attended', from: '150', to: '151', result: 'answered' }] },
    ]);
  });

  test('a consultation with an outside party belongs to the incoming call', () => {
    const stream = talking().at(6000).employee('a2', '150', '80290000778').dial('a2', 'o', { number: '80290000778' });
    stream
      .at(8000)
      .answer('o')
      .up('a2')
      .bridge('b2', 'o', 'a2')
      .at(10_000)
      .hangup('o')
      .hangup('a2')
      .at(15_000)
      .hangup('a')
      .hangup('c');
    const { calls, uploads } = outcome(stream);
    expect(uploads).toEqual(['c: in answered 3+12 of 150']);
    expect(calls).toHaveLength(1);
  });

  test('… or is a call of its own, where the enterprise wants it so', () => {
    const stream = talking().at(6000).employee('a2', '150', '80290000778').dial('a2', 'o', { number: '80290000778' });
    stream
      .at(8000)
      .answer('o')
      .up('a2')
      .bridge('b2', 'o', 'a2')
      .at(10_000)
      .hangup('o')
      .hangup('a2')
      .at(15_000)
      .hangup('a')
      .hangup('c');
    expect(outcome(stream, { forwardedLegs: 'own_call' }).uploads).toEqual([
      'a2: out answered 2+2 of 150',
      'c: in answered 3+12 of 150',
    ]);
  });
});

test('parked and fetched by the same employee: a transfer to herself, one call', () => {
  const stream = talking()
    .at(8000)
    .blind('a', '700')
    .leave('c')
    .enter('lot', 'c', 'holding_bridge')
    .hangup('a')
    .at(20_000);
  stream
    .employee('k', '150', '701')
    .linked('k', 'c')
    .up('k')
    .leave('c')
    .bridge('b2', 'k', 'c')
    .at(30_000)
    .hangup('k')
    .hangup('c');
  const { calls, uploads } = outcome(stream);
  expect(uploads).toEqual(['c: in answered 3+27 of 150']);
  expect(calls).toMatchObject([{ transfers: [{ type: 'park', from: '150', to: '150', result: 'answered' }] }]);
});

test('parking time-out: the parker is called back and answers', () => {
  const stream = talking()
    .at(8000)
    .blind('a', '700')
    .leave('c')
    .enter('lot', 'c', 'holding_bridge')
    .hangup('a')
    .at(53_000)
    .leave('c');
  stream.dial('c', 'back', { ext: '150' }).ring('back').at(55_000).answer('back').bridge('b2', 'back', 'c').at(60_000);
  const { calls, popups } = outcome(stream.hangup('back').hangup('c'));
  expect(calls).toMatchObject([{ handledBy: ['150'], talkSeconds: 57 }]);
  expect(popups.filter((popup) => popup.includes(' in '))).toEqual(['1.15 in 150']);
});

test('hold changes nothing: the customer stays in the bridge', () => {
  const { calls } = outcome(talking().at(20_000).hangup('a').hangup('c'));
  expect(calls).toMatchObject([{ talkSeconds: 17, transfers: [] }]);
});
