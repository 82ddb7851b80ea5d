import asyncio

import pytest

from gateway_svc.dispatch.reply import Exclusive, InTurn, Pending


def test_a_way_to_an_answer_says_itself_how_it_ends():
    pending = Pending()
    for end in (pending.finish, pending.expire, InTurn().start):
        with pytest.raises(NotImplementedError):
            end()
    with pytest.raises(NotImplementedError):
        asyncio.run(Exclusive().run())
