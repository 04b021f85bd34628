from tests.cadence.test_examples import *


def test_x(book):
    ex = next(e for e in EXAMPLES if "imported late" in e.sentence)
    book.start_at(at(ex.today))
    for line in ex.book: tell(book, line)
    book.apply_all({"renewal": ex.schedules})
    book.run()
    for k in ("L-1","L-2","L-3"):
        print(k, book.walks(k), book.decisions(k))
    for r in book.ledger(): print(r.mail_key, r.address, r.state, r.reason, r.step, r.day)
    assert 0
