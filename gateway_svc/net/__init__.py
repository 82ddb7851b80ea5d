"""Sockets: accepting clients, cutting their bytes into requests, answering in order.

Knows frames and answers as bytes only; what a request means is the business of `handlers`.
"""
