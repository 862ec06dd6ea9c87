// Who takes part: role, route, round trip, and what each has.

import { h, put } from './dom.js';
import { lane, ofDeck } from './state.js';
import { bytes, some } from './words.js';

const RIGHTS = { read: 'may read', draft: 'may propose drafts', hold: 'may be editor' };

function one(device) {
  const linked = device.me ? 'this device' : device.linked ? `linked${device.route ? `, ${device.route}` : ''}` : 'not linked';
  const has = device.me ? null : device.in_sync === null ? 'not known: it is not linked' : device.in_sync ? 'everything, durably' : device.lacks ? `lacks ${some(device.lacks, 'entry', 'entries')}` : 'a part; more is on its way';
  return h('article', { class: `device ${device.number === null ? '' : lane(device.number)} ${device.linked ? 'linked' : ''}`, 'data-device': device.device.id },
    h('header', {}, h('i', { class: 'dot' }), h('h3', {}, device.device.name),
      device.editor && h('span', { class: 'badge head' }, 'editor'), device.owner && h('span', { class: 'badge' }, 'owner'), device.me && h('span', { class: 'badge here' }, 'here')),
    h('dl', { class: 'facts' },
      h('div', {}, h('dt', {}, 'Role'), h('dd', {}, device.editor ? 'editor now' : RIGHTS[device.rights])),
      h('div', {}, h('dt', {}, 'Link'), h('dd', {}, h('i', { class: `lamp ${device.linked ? 'on' : ''}` }), linked)),
      device.round_trip_ms !== undefined && device.round_trip_ms !== null && h('div', {}, h('dt', {}, 'Round trip'), h('dd', {}, `${device.round_trip_ms.toFixed(1)} ms`)),
      has && h('div', {}, h('dt', {}, 'Has'), h('dd', {}, has)),
      device.admitted_by && h('div', {}, h('dt', {}, 'Let in by'), h('dd', {}, device.admitted_by.name)),
      h('div', {}, h('dt', {}, 'Id'), h('dd', {}, h('code', { class: 'hash' }, device.device.id)))));
}

export async function showDevices(host) {
  const told = await ofDeck('devices');
  const { audio } = told;
  put(host, h('div', { class: 'pad' },
    h('div', { class: 'view-head' }, h('h2', {}, 'Devices'), h('p', { class: 'dim' }, told.role.editor ? `${told.role.editor.name} may edit now${told.role.settled ? ', and the owner has settled that' : '; that is provisional until the owner settles it'}.` : 'Nobody may edit at present.')),
    h('div', { class: 'devices' }, told.devices.map(one)),
    h('section', {}, h('h3', {}, 'Audio on this device'), h('p', {}, audio.total ? `${audio.whole} of ${some(audio.total, 'piece')} whole, ${bytes(audio.have)} of ${bytes(audio.bytes)}` : 'This deck names none.'),
      audio.total > 0 && h('div', { class: 'meter', role: 'meter', 'aria-valuemin': 0, 'aria-valuemax': audio.bytes, 'aria-valuenow': audio.have, 'aria-label': 'Audio that is here', style: { '--part': `${audio.bytes ? (100 * audio.have) / audio.bytes : 100}%` } }))));
}
