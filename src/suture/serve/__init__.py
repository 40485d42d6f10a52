"""A local server that speaks OpenAI's protocol: one base model, many patches and memories, each request with its own.

    wire.py     requests and answers as they are on the wire        speech.py   the text of a growing row of ids
    engine.py   one thread that runs the model; rows join and leave its batch between two tokens
    ticket.py   one text that is asked for;  errands.py  what else needs the model for a moment
    app.py      addresses, streams, who may ask;  error_responses.py  what is told when a request is not answered
    run.py      listens until it is stopped
Needs starlette and uvicorn: pip install 'suture[serve]'.
"""
