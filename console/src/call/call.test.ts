import { describe, expect, it } from 'vitest';
import { type Caption, type Line, mark, settle, takeOver } from './captions';
import { acceptable, begin, edits, refresh, shown, type, update, wereStored } from './draft';
import { pieces } from './evidence';

const caption = (segment: string, start_ms: number, text: string, final = false): Caption =>
  ({ segment, party: 'caller', start_ms, end_ms: start_ms + 500, text, final });
const texts = (lines: Line[]) => lines.map(({ text, isGap }) => (isGap ? '…' : text));

describe('captions', () => {
  it('settle in their place, in the order of speaking', () => {
    const lines: Line[] = [];
    settle(lines, caption('a', 0, '楼下'));
    settle(lines, caption('b', 900, '您好', true));
    settle(lines, caption('a', 0, '楼下烧烤店'));
    settle(lines, caption('c', 400, '很吵', true));
    expect(texts(lines)).toEqual(['楼下烧烤店', '很吵', '您好']);
  });

  it('stay once they are final, and a correction of a final is taken', () => {
    const lines: Line[] = [];
    settle(lines, caption('a', 0, '楼下烧烤店', true));
    settle(lines, caption('a', 0, '楼下烧'));
    expect(texts(lines)).toEqual(['楼下烧烤店']);
    settle(lines, caption('a', 0, '楼下的烧烤店', true));
    expect(texts(lines)).toEqual(['楼下的烧烤店']);
  });

  it('go when nothing was said after all', () => {
    const lines: Line[] = [];
    settle(lines, caption('a', 0, '嗯'));
    settle(lines, caption('a', 0, '', true));
    settle(lines, caption('b', 0, '', true));
    expect(lines).toEqual([]);
  });

  it('fill gaps after the call', () => {
    const lines: Line[] = [];
    settle(lines, caption('a', 5_000, '谢谢', true));
    mark(lines, { party: 'caller', from_ms: 0, to_ms: 4_000 });
    mark(lines, { party: 'caller', from_ms: 0, to_ms: 4_500 });
    expect(texts(lines)).toEqual(['…', '谢谢']);
    takeOver(lines, [{ id: 'f', party: 'caller', start_ms: 100, end_ms: 4_400, text: '路灯不亮' }], []);
    expect(texts(lines)).toEqual(['路灯不亮', '谢谢']);
  });
});

describe('evidence', () => {
  it('marks characters, also behind such as UTF-16 writes in two units', () => {
    const of = [{ segment: 'a', start: 2, end: 4, quote: '投诉' }];
    expect(pieces('a', '𠮷要投诉他', of)).toEqual([
      { text: '𠮷要', isMarked: false }, { text: '投诉', isMarked: true }, { text: '他', isMarked: false },
    ]);
    expect(pieces('b', '𠮷要投诉他', of)).toEqual([{ text: '𠮷要投诉他', isMarked: false }]);
  });

  it('marks nothing where the words have become others', () => {
    const of = [{ segment: 'a', start: 0, end: 2, quote: '投诉' }];
    expect(pieces('a', '头诉他', of)).toEqual([{ text: '头诉他', isMarked: false }]);
  });
});

const machine = (value: string, confidence = 0.9) => ({ value, confidence, source: 'machine', evidence: [] });
const person = (value: string) => ({ value, confidence: 1, source: 'person', evidence: [] });
const ticket = (revision: number, fields = {}) => ({ id: 't', number: '1', status: 'draft', revision, fields });

describe('a draft', () => {
  it('fills while nobody types, and forgets what was cleared', () => {
    const draft = begin(ticket(1, { title: machine('路灯') }));
    update(draft, { revision: 2, changed: ['title', 'place'], draft: { title: machine('路灯不亮') } });
    expect(shown(draft.fields.title)).toBe('路灯不亮');
    update(draft, { revision: 3, changed: ['title'], draft: {} });
    expect(shown(draft.fields.title)).toBe('');
  });

  it('never takes away what a person types', () => {
    const draft = begin(ticket(1, { place: machine('人民路') }));
    type(draft, 'place', '人民北路');
    update(draft, { revision: 2, changed: ['place'], draft: { place: machine('人民南路') } });
    refresh(draft, ticket(3, { place: machine('人民东路') }));
    expect(shown(draft.fields.place)).toBe('人民北路');
    expect(edits(draft)).toEqual({ place: '人民北路' });
    expect(draft.fields.place?.theirs).toBeUndefined();
  });

  it('tells what another person stored meanwhile, and takes neither away', () => {
    const draft = begin(ticket(1, { place: machine('人民路') }));
    type(draft, 'place', '人民北路');
    update(draft, { revision: 2, changed: ['place'], draft: { place: person('解放路') } });
    expect([shown(draft.fields.place), draft.fields.place?.theirs]).toEqual(['人民北路', '解放路']);
  });

  it('lets old news pass', () => {
    const draft = begin(ticket(5, { title: person('新') }));
    update(draft, { revision: 4, changed: ['title'], draft: { title: machine('旧') } });
    refresh(draft, ticket(3, { title: machine('更旧') }));
    expect(shown(draft.fields.title)).toBe('新');
  });

  it('keeps what was typed on while it was being stored', () => {
    const draft = begin(ticket(1));
    type(draft, 'title', '路');
    const sent = edits(draft);
    type(draft, 'title', '路灯');
    wereStored(draft, sent, ticket(2, { title: person('路') }));
    expect([shown(draft.fields.title), edits(draft)]).toEqual(['路灯', { title: '路灯' }]);
    wereStored(draft, { title: '路灯' }, ticket(3, { title: person('路灯') }));
    expect([shown(draft.fields.title), edits(draft)]).toEqual(['路灯', {}]);
  });

  it('has at once accepted what the machine is sure of, and no more', () => {
    const draft = begin(ticket(1, { title: machine('路灯'), place: machine('人民路', 0.5), amount: person('3') }));
    expect(acceptable(draft)).toEqual({ title: '路灯' });
    type(draft, 'title', '灯');
    expect(acceptable(draft)).toEqual({});
  });
});
