"""Sessions as Python sees them: what CLIENT, AUTH, HELLO, MONITOR and RESET read and change, and CLIENT KILL."""
from libc.stdint cimport uint64_t

from kv._core.base.blob cimport Blob, blob_copy, blob_free
from kv._core.engine.engine cimport Engine
from kv._core.runtime.footprint cimport footprint_note
from kv._core.runtime.pubsub cimport unsubscribe_all
from kv._core.runtime.session cimport session_doom, session_monitor, session_of_id, session_reset
from kv._core.runtime.state cimport (
    SESSION_BLOCKED, SESSION_CLOSE_AFTER_REPLY, SESSION_DOOMED, SESSION_IMPORT_SOURCE, SESSION_MONITOR, SESSION_NO_EVICT,
    SESSION_NO_TOUCH, SESSION_READONLY, SESSION_REDIRECT, SESSION_REPLY_OFF, SESSION_REPLY_SKIP, SESSION_REPLY_SKIP_NEXT,
    Context, Session)


cdef class SessionInfo:
    """A session as Python sees it. Good until the turn ends; `alive` tells whether the session still is."""
    cdef Engine engine
    cdef readonly uint64_t id

    cdef Session *session(self) except NULL:
        cdef Session *found = session_of_id(&self.engine.runtime, self.id)
        if found == NULL:
            raise LookupError("the session has ended")
        self.engine.enter()
        return found

    @property
    def alive(self):
        cdef Session *found = session_of_id(&self.engine.runtime, self.id)
        return found != NULL and not found.flags & SESSION_DOOMED

    @property
    def peer(self):
        return text_of(self.session().peer)

    @property
    def local(self):
        return text_of(self.session().local)

    @property
    def name(self):
        """bytes, empty for none."""
        return bytes_of(self.session().name)

    @name.setter
    def name(self, bytes name not None):
        replace_blob(&self.session().name, name)

    @property
    def library_name(self):
        return bytes_of(self.session().library_name)

    @library_name.setter
    def library_name(self, bytes name not None):
        replace_blob(&self.session().library_name, name)

    @property
    def library_version(self):
        return bytes_of(self.session().library_version)

    @library_version.setter
    def library_version(self, bytes version not None):
        replace_blob(&self.session().library_version, version)

    @property
    def user(self):
        name = bytes_of(self.session().user)
        return name or b"default"

    @property
    def authenticated(self):
        return self.session().authenticated

    @authenticated.setter
    def authenticated(self, bint yes):
        self.session().authenticated = yes
        self.session().trusted |= yes

    @property
    def resp(self):
        return self.session().resp

    @resp.setter
    def resp(self, int version):
        self.session().resp = version

    @property
    def database(self):
        return self.session().database.id

    @property
    def connected(self):
        """Whether it has a peer, over a socket or in this process."""
        return self.session().transport != NULL

    @property
    def fd(self):
        return self.session().fd

    @property
    def age_seconds(self):
        return (self.engine.runtime.now_us // 1000 - self.session().created_ms) // 1000

    @property
    def client_class(self):
        """normal, replica or pubsub."""
        return ("normal", "replica", "pubsub")[self.session().class_]

    @property
    def blocked(self):
        return self.session().flags & SESSION_BLOCKED != 0

    def set_flag(self, str name, bint on):
        """no-evict, no-touch, readonly, reply-off, reply-skip, import-source, redirect."""
        cdef uint64_t flag = <uint64_t> {
            "no-evict": SESSION_NO_EVICT, "no-touch": SESSION_NO_TOUCH, "readonly": SESSION_READONLY,
            "reply-off": SESSION_REPLY_OFF | (0 if on else SESSION_REPLY_SKIP | SESSION_REPLY_SKIP_NEXT),
            "import-source": SESSION_IMPORT_SOURCE, "reply-skip": SESSION_REPLY_SKIP_NEXT, "redirect": SESSION_REDIRECT}[name]
        if on:
            self.session().flags |= flag
        else:
            self.session().flags &= ~flag
        if self.engine.runtime.client_limit:
            footprint_note(self.session())

    def monitor(self):
        """From now on the session is fed every command. False where it was already."""
        if self.session().flags & SESSION_MONITOR:
            return False
        session_monitor(self.session())
        return True

    def kill(self):
        """Close the connection: at once, or after its reply where its own command runs."""
        cdef Session *session = self.session()
        cdef Context *running = self.engine.runtime.running
        if running != NULL and running.session == session:
            session.flags |= SESSION_CLOSE_AFTER_REPLY
        else:
            session_doom(session)

    def reset(self):
        """What RESET does to the connection."""
        cdef Session *session = self.session()
        unsubscribe_all(session)
        session_reset(session)


cdef SessionInfo info_of(Engine engine, Session *session):
    cdef SessionInfo info = SessionInfo.__new__(SessionInfo)
    info.engine = engine
    info.id = session.id
    return info


def sessions(Engine engine not None):
    """All connections, oldest first."""
    cdef Session *session = engine.runtime.sessions
    cdef list found = []
    while session != NULL:
        if session.transport != NULL:
            found.append(info_of(engine, session))
        session = session.next
    return found


def session(Engine engine not None, uint64_t id):
    """The session of an id, None where there is none."""
    cdef Session *found = session_of_id(&engine.runtime, id)
    return None if found == NULL else info_of(engine, found)


cdef str text_of(Blob *blob):
    return "" if blob == NULL else blob.data[:blob.length].decode("utf-8", "surrogateescape")


cdef bytes bytes_of(Blob *blob):
    return b"" if blob == NULL else blob.data[:blob.length]


cdef int replace_blob(Blob **blob, bytes value) except -1:
    blob_free(blob[0])
    blob[0] = blob_copy(value, len(value)) if value else NULL
    return 0
